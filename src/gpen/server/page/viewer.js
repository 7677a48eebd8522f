// Before and after, one over the other, with a divider that is a slider.

import { icon, make } from "./dom.js";

/** How much of the view a face fills when it is looked at closely. */
const FACE_SHARE = 0.6;
const LARGEST_ZOOM = 12;

/** A comparison of two images of the same size. */
export class Viewer {
  #before = picture();
  #after = picture();
  #beforePane = make("div.pane", {}, this.#before);
  #afterPane = make("div.pane", {}, this.#after);
  #slider = make("input.divide", {
    type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": "Compare before and after",
    oninput: () => this.#divideAt(Number(this.#slider.value)),
  });
  #line = make("div.divider", { "aria-hidden": "true" }, make("span", {}));
  #whole = make("button.chip-button", { type: "button", hidden: true, onclick: () => this.zoom(null) },
    icon("whole"), "Whole image");
  #frame = make("div.frame", {}, this.#beforePane, this.#afterPane, this.#line, this.#slider,
    make("span.tag.left", { "aria-hidden": "true" }, "Before"),
    make("span.tag.right", { "aria-hidden": "true" }, "After"));
  #source = { width: 1, height: 1 };
  #transform = "";
  /** Which of the calls to show something is the last. */ #turn = 0;

  constructor() {
    this.element = make("div.viewer", {
      onkeydown: (event) => event.key === "Escape" && this.zoom(null),
    }, this.#frame, this.#whole);
    this.#divideAt(50);
  }

  /** Show a photo that is not restored yet. @param {string} url @param {string} name */
  async showBefore(url, name) {
    const turn = ++this.#turn;
    const before = picture(url, name);
    this.#slider.disabled = true;
    // A browser may be unable to show the file itself (HEIC, TIFF); the server's image follows.
    const isShown = await before.decode().then(() => true, () => false);
    if (turn !== this.#turn) return;
    this.#frame.classList.add("alone");
    this.#frame.classList.toggle("blank", !isShown);
    if (isShown) this.#fit(before.naturalWidth, before.naturalHeight);
    this.#swap(before, picture());
  }

  /**
   * Show both. The old images stay until the new ones are there, so that nothing flickers.
   * @param {import("./api.js").Answer} answer
   */
  async showBoth({ result, source, faces }) {
    const turn = ++this.#turn;
    const before = picture(result.before_url, `${source.name}, before`);
    const after = picture(result.after_url, `${source.name}, after`);
    const done = await Promise.allSettled([before.decode(), after.decode()]);
    if (turn !== this.#turn) return; // another photo was chosen meanwhile
    this.#source = source;
    this.#fit(source.width, source.height);
    this.#swap(before, after);
    if (this.#frame.classList.contains("alone") && faces.length) {
      const [x0, , x1] = faces[0].box_xyxy; // the divider begins on the largest face
      this.#divideAt((50 * (x0 + x1)) / source.width);
    }
    this.#frame.classList.remove("alone");
    this.#frame.classList.toggle("blank", done.some((one) => one.status === "rejected"));
    this.#slider.disabled = false;
  }

  /** @param {HTMLImageElement} before @param {HTMLImageElement} after */
  #swap(before, after) {
    for (const one of [before, after]) one.style.transform = this.#transform;
    this.#beforePane.replaceChildren(before);
    this.#afterPane.replaceChildren(after);
    [this.#before, this.#after] = [before, after];
  }

  /** Look closely at a box of the source, or with null at the whole. @param {number[] | null} box */
  zoom(box) {
    this.#whole.hidden = !box;
    this.#frame.classList.toggle("close", Boolean(box));
    const [scale, x, y] = box ? this.#closeTo(box) : [1, 0, 0];
    this.#transform = `scale(${scale}) translate(${-x * 100}%, ${-y * 100}%)`;
    for (const one of [this.#before, this.#after]) one.style.transform = this.#transform;
    if (box) this.#divideAt(100 * scale * ((box[0] + box[2]) / 2 / this.#source.width - x));
  }

  /** Scale, and the corner that is seen as parts of the image. @param {number[]} box */
  #closeTo([x0, y0, x1, y1]) {
    const { width, height } = this.#source;
    const share = Math.max((x1 - x0) / width, (y1 - y0) / height);
    const scale = Math.min(LARGEST_ZOOM, Math.max(1, FACE_SHARE / share));
    const corner = (centre) => Math.min(Math.max(centre - 0.5 / scale, 0), 1 - 1 / scale);
    return [scale, corner((x0 + x1) / 2 / width), corner((y0 + y1) / 2 / height)];
  }

  /** @param {number} width @param {number} height */
  #fit(width, height) {
    this.#frame.style.setProperty("--ratio", String(width / height));
  }

  /** @param {number} percent From the left. */
  #divideAt(percent) {
    const value = Math.round(Math.min(100, Math.max(0, percent)));
    this.#slider.value = String(value);
    this.#slider.setAttribute("aria-valuetext", `${value} % before, ${100 - value} % after`);
    this.#afterPane.style.clipPath = `inset(0 0 0 ${value}%)`;
    this.#line.style.left = `${value}%`;
  }
}

/** @param {string | null} [src] @param {string} [alt] @returns {HTMLImageElement} */
const picture = (src, alt = "") => make("img", { src, alt, draggable: "false" });

/** A video, with a switch between the file that was sent and the result. */
export class Player {
  #video = make("video", { controls: true, playsinline: true, preload: "auto" });
  #note = make("p.help", { hidden: true },
    "This browser cannot play this file; the result can still be downloaded.");
  #buttons = ["Original", "Restored"].map((name) =>
    make("button", { type: "button", onclick: () => this.#show(name) }, name));
  #switch = make("div.segments.which", { role: "group", "aria-label": "Which video" }, ...this.#buttons);
  #urls = { Original: "", Restored: "" };

  constructor() {
    this.#video.addEventListener("error", () => (this.#note.hidden = false));
    this.element = make("div.player", {}, this.#video, this.#switch, this.#note);
  }

  /** @param {string} original @param {string} restored Empty while there is none. */
  set(original, restored) {
    this.#urls = { Original: original, Restored: restored };
    this.#switch.hidden = !restored;
    this.#show(restored ? "Restored" : "Original");
  }

  /** Change videos at the same place in time. @param {"Original" | "Restored"} name */
  #show(name) {
    for (const one of this.#buttons) {
      one.setAttribute("aria-pressed", String(one.textContent === name));
    }
    const { currentTime, paused } = this.#video;
    this.#note.hidden = true;
    this.#video.src = this.#urls[name];
    this.#video.setAttribute("aria-label", `${name} video`);
    if (currentTime) this.#video.currentTime = currentTime;
    if (!paused) this.#video.play().catch(() => {});
  }
}
