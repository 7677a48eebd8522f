// What hands do to an image: drag, wheel, pinch, double click, keys.

/** A pointer that moved less than this, in CSS pixels, has clicked. */
const CLICK_PX = 4;
const STEP = 1.35, PAN_PX = 60;

/**
 * @typedef {{
 *   zoom: (factor: number, x: number, y: number) => void, pan: (dx: number, dy: number) => void,
 *   toggle: (x: number, y: number) => void, fit: () => void, real: () => void,
 *   grabs: (x: number) => boolean, slide: (x: number) => void, hold: (on: boolean) => void}} Acts
 *   `grabs` says whether a drag that begins there moves the line instead of the image.
 */

/**
 * Listen on a pane. Positions are CSS pixels in it.
 * @param {HTMLElement} pane @param {HTMLElement} keys Where keys are heard. @param {Acts} acts
 */
export function listen(pane, keys, acts) {
  const at = (event) => {
    const { left, top } = pane.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  pane.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    const factor = Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018));
    acts.zoom(factor, .../** @type {[number, number]} */ (at(event)));
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => {
    if (event.target instanceof HTMLElement && event.target.closest("button")) return;
    acts.toggle(.../** @type {[number, number]} */ (at(event)));
  });
  listenForPointers(pane, at, acts);
  listenForKeys(keys, pane, acts);
}

/** @param {HTMLElement} pane @param {(event: any) => number[]} at @param {Acts} acts */
function listenForPointers(pane, at, acts) {
  /** @type {Map<number, number[]>} */
  const down = new Map();
  let slides = false, moved = false;
  const spread = () => {
    const [a, b] = [...down.values()];
    return [Math.hypot(a[0] - b[0], a[1] - b[1]), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  };
  pane.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    down.set(event.pointerId, at(event));
    moved = down.size > 1;
    slides = down.size === 1 && acts.grabs(at(event)[0]);
  });
  pane.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    if (!moved && Math.hypot(now[0] - before[0], now[1] - before[1]) < CLICK_PX) return;
    if (!moved || down.size > 1) pane.setPointerCapture(event.pointerId);
    moved = true;
    if (down.size === 2) {
      const [apart, x, y] = spread();
      down.set(event.pointerId, now);
      const [then, x1, y1] = spread();
      acts.pan(x1 - x, y1 - y);
      acts.zoom(then / apart, x1, y1);
      return;
    }
    down.set(event.pointerId, now);
    if (slides) acts.slide(now[0]);
    else acts.pan(now[0] - before[0], now[1] - before[1]);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    pane.addEventListener(name, (event) => down.delete(/** @type {any} */ (event).pointerId));
  }
}

/** @param {HTMLElement} keys @param {HTMLElement} pane @param {Acts} acts */
function listenForKeys(keys, pane, acts) {
  const middle = () => /** @type {[number, number]} */ ([pane.clientWidth / 2, pane.clientHeight / 2]);
  /** @type {Record<string, () => void>} */
  const plain = {
    "+": () => acts.zoom(STEP, ...middle()), "=": () => acts.zoom(STEP, ...middle()),
    "-": () => acts.zoom(1 / STEP, ...middle()), 0: acts.fit, 1: acts.real, Escape: acts.fit,
    b: () => acts.hold(true), B: () => acts.hold(true),
  };
  /** @type {Record<string, [number, number]>} */
  const arrows = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  keys.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("select")) return;
    const arrow = target === pane && arrows[event.key];
    if (arrow) acts.pan(arrow[0] * PAN_PX, arrow[1] * PAN_PX);
    else if (plain[event.key]) plain[event.key]();
    else return;
    event.preventDefault();
  });
  keys.addEventListener("keyup", (event) => event.key.toLowerCase() === "b" && acts.hold(false));
  keys.addEventListener("focusout", () => acts.hold(false));
}
