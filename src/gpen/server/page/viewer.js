// Before and after of a photo, under a line or side by side, down to single pixels.

import { icon, inPercent, make } from "./dom.js";
import { Camera } from "./camera.js";
import { listen } from "./gestures.js";
import { Layers } from "./layers.js";
import { Outlines } from "./outlines.js";
import { t } from "./texts.js";

/** Milliseconds after the last move before the part that is seen is fetched. */
const STILL_MS = 120;
/** A drag that begins so near to the line moves it, in CSS pixels. */
const GRIP_PX = 26;

/** A comparison. */
export class Viewer {
  #camera = new Camera();
  #left = new Layers(this.#camera, { onShown: () => {}, onError: (error) => this.actions.onError(error) });
  #right = new Layers(this.#camera, {
    onShown: (query) => (this.#frame.dataset.shown = query),
    onError: (error) => this.actions.onError(error),
  });
  #rightPane = make("div.pane.right", {}, this.#right.element);
  #leftPane = make("div.pane.left", {}, this.#left.element);
  #slider = make("input.divide", {
    type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": t("compare"),
    oninput: () => this.#divideAt(Number(this.#slider.value)),
  });
  #line = make("div.divider", { "aria-hidden": "true" }, make("span", {}));
  #leftTag = make("span.tag.left", { "aria-hidden": "true" }, t("before"));
  #rightTag = make("span.tag.right", { "aria-hidden": "true" }, t("after"));
  #outlines = new Outlines(this.#camera, (number) => this.actions.onFace(number));
  #frame = make("div.frame.alone", { tabindex: 0, role: "group", "aria-label": t("viewport"),
    "data-none": t("noPreview") },
  this.#leftPane, this.#rightPane, this.#outlines.element, this.#line, this.#slider, this.#leftTag,
  this.#rightTag);
  #percent = make("button.ghost.percent", { type: "button", title: t("realPixels"),
    onclick: () => this.#real() }, "100 %");
  #with = make("select", { "aria-label": t("compareWith"), id: "compare-with",
    onchange: () => this.#showLeft() });
  /** @type {import("./items.js").Item | null} */ #item = null;
  /** @type {Record<string, string>} */ #values = {};
  #beside = false;
  #percentAt = 50;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #still;

  /** @param {{onFace: (number: number) => void, onError: (error: any) => void}} actions */
  constructor(actions) {
    this.actions = actions;
    this.element = make("div.viewer", {}, this.#frame);
    this.tools = this.#makeTools();
    listen(this.#frame, this.element, {
      zoom: (factor, x, y) => this.#move(() =>
        this.#camera.zoomTo(this.#camera.scale * factor, ...this.#inPane(x, y))),
      pan: (dx, dy) => this.#move(() => this.#camera.pan(dx, dy)),
      toggle: (x, y) => this.#move(() => (this.#camera.fits
        ? this.#camera.zoomTo(Math.max(this.#camera.realScale, 2 * this.#camera.fitScale), ...this.#inPane(x, y))
        : this.#camera.fit())),
      fit: () => this.#fit(), real: () => this.#real(),
      grabs: (x) => !this.#beside && !this.#frame.classList.contains("alone")
        && (this.#camera.fits || Math.abs(x - this.#lineX) < GRIP_PX),
      slide: (x) => this.#divideAt(this.#percentOf(x)),
      hold: (on) => this.#frame.classList.toggle("held", on),
    });
    new ResizeObserver(() => this.#measure()).observe(this.#frame);
    this.#divideAt(50);
  }

  #makeTools() {
    const button = (name, shape, act, more = {}) => make("button.ghost.square", {
      type: "button", "aria-label": t(name), title: t(name), onclick: act, ...more }, icon(shape));
    const step = (factor) => () => this.#move(() => this.#camera.zoomTo(this.#camera.scale * factor));
    const hold = (on) => () => this.#frame.classList.toggle("held", on);
    const pressed = (one, on) => one.setAttribute("aria-pressed", String(on));
    const beside = button("sideBySide", "beside", () => {
      this.#beside = !this.#beside;
      pressed(beside, this.#beside);
      this.#frame.classList.toggle("two", this.#beside);
      this.#measure();
    }, { "aria-pressed": "false" });
    const outlines = button("outlines", "face", () => {
      const on = this.#frame.classList.toggle("outlined");
      pressed(outlines, on);
    }, { "aria-pressed": "true" });
    this.#frame.classList.add("outlined");
    const holder = button("hold", "eye", null, { onpointerdown: hold(true), onpointerup: hold(false),
      onpointerleave: hold(false), onkeydown: (e) => e.key === " " && hold(true)(),
      onkeyup: hold(false), onblur: hold(false) });
    return make("div.tools", { role: "toolbar", "aria-label": t("layout") },
      make("div.zoom", {}, button("zoomOut", "minus", step(1 / 1.5)), this.#percent,
        button("zoomIn", "plus", step(1.5)), button("fit", "whole", () => this.#fit())),
      beside, holder, outlines,
      make("label.with", {}, make("span", {}, t("compareWith")), this.#with));
  }

  /** Models to compare with, beside the original. @param {{name: string}[]} models */
  setModels(models) {
    const kept = this.#with.value;
    this.#with.replaceChildren(make("option", { value: "" }, t("original")),
      ...models.map(({ name }) => make("option", { value: name }, name)));
    this.#with.value = models.some(({ name }) => name === kept) ? kept : "";
    this.#with.parentElement.hidden = models.length < 2;
  }

  /** Show a file that the server does not have yet. @param {import("./items.js").Item} item */
  async showLocal(item) {
    this.#take(item);
    this.#right.clear();
    this.#outlines.set([]);
    this.#slider.disabled = true;
    this.#frame.classList.remove("blank");
    this.#frame.classList.add("alone");
    delete this.#frame.dataset.shown;
    if (!item.local) return this.#left.clear();
    try {
      const size = await this.#left.showLocal(item.local, item.name);
      if (size) this.#setSource(size, 1);
    } catch {
      // A browser may be unable to show the file itself (HEIC, TIFF); the server's image follows.
      if (this.#item === item && this.#frame.classList.contains("alone")) this.#frame.classList.add("blank");
    }
    return undefined;
  }

  /**
   * Show a photo before and after.
   * @param {import("./items.js").Item} item @param {Record<string, string>} values Settings.
   */
  show(item, values) {
    const first = item !== this.#item || this.#frame.classList.contains("alone");
    this.#take(item);
    const { photo, answer } = item;
    if (!photo) return;
    this.#values = values;
    this.#frame.classList.remove("blank");
    const factor = Number(values.upscale ?? 0) || (answer ? answer.result.width / photo.source.width : 1);
    this.#setSource(photo.source, factor);
    this.#showLeft();
    this.#right.show({ url: photo.url, query: { ...values, of: "after" } },
      t("altAfter", { name: item.name }));
    this.#outlines.set(photo.faces);
    this.#slider.disabled = false;
    this.#frame.classList.remove("alone");
    if (first && photo.faces.length) { // the line begins on the largest face
      const [x0, , x1] = photo.faces[0].box_xyxy;
      this.#divideAt((50 * (x0 + x1)) / photo.source.width);
    }
  }

  /** Another photo begins whole. */
  #take(item) {
    if (item === this.#item) return;
    this.#item = item;
    this.#left.clear();
    this.#right.clear();
    this.#camera.fits = true;
  }

  #showLeft() {
    const photo = this.#item?.photo;
    if (!photo) return;
    const model = this.#with.value;
    const query = model ? { ...this.#values, of: "after", model } : { of: "before" };
    this.#leftTag.textContent = model || t("before");
    this.#rightTag.textContent = model ? this.#values.model || this.defaultModel : t("after");
    this.#left.show({ url: photo.url, query: /** @type {any} */ (query) },
      t("altBefore", { name: this.#item?.name }));
  }

  /** Name of the model that is used where none is chosen. */ defaultModel = "";

  /** Look closely at a face, or at a part of the source. @param {number[]} box */
  lookAt(box) {
    this.#move(() => this.#camera.lookAt(box));
    const [x0, , x1] = box;
    this.#divideAt(this.#percentOf(this.#camera.x + ((x0 + x1) / 2) * this.#camera.scale));
    this.#frame.focus({ preventScroll: true });
  }

  /** Mark the face whose settings are in hand. @param {number | null} number */
  mark(number) {
    this.#outlines.mark(number);
  }

  #fit() {
    this.#move(() => this.#camera.fit());
  }

  #real() {
    this.#move(() => this.#camera.zoomTo(this.#camera.realScale));
  }

  #setSource({ width, height }, factor) {
    const same = this.#camera.source.width === width && this.#camera.source.height === height;
    this.#camera.source = { width, height };
    this.#camera.factor = factor;
    if (!same) this.#camera.fits = true;
    this.#place();
  }

  #measure() {
    const { offsetWidth: width, offsetHeight: height } = this.#rightPane;
    if (!width || !height) return;
    this.#camera.pane = { width, height };
    this.#move(() => {});
  }

  /** A point of the frame in the pane it is in. @returns {[number, number]} */
  #inPane(x, y) {
    const { width, height } = this.#camera.pane;
    return [x % (width + 2), y % (height + 2)]; // two pixels lie between them
  }

  /** Move the camera; what is seen then is fetched once it rests. @param {() => any} act */
  #move(act) {
    act();
    this.#place();
    clearTimeout(this.#still);
    this.#still = setTimeout(() => {
      this.#left.refresh();
      this.#right.refresh();
    }, STILL_MS);
  }

  #place() {
    this.#camera.update();
    this.#left.place();
    this.#right.place();
    this.#outlines.place();
    this.#percent.textContent = inPercent(this.#camera.magnification);
    this.#frame.classList.toggle("close", !this.#camera.fits);
    this.#divideAt(this.#percentAt);
  }

  /** Where the line is: a part of what is seen of the image. */
  get #span() {
    const { x, scale, source, pane } = this.#camera;
    const left = Math.max(0, x), right = Math.min(pane.width, x + source.width * scale);
    return [left, Math.max(1, right - left)];
  }

  get #lineX() {
    const [left, width] = this.#span;
    return left + (width * this.#percentAt) / 100;
  }

  #percentOf(x) {
    const [left, width] = this.#span;
    return (100 * (x - left)) / width;
  }

  /** @param {number} percent From the left. */
  #divideAt(percent) {
    const value = Math.round(10 * Math.min(100, Math.max(0, percent))) / 10;
    this.#percentAt = value;
    const shown = Math.round(value);
    this.#slider.value = String(shown);
    this.#slider.setAttribute("aria-valuetext", t("compareValue", { before: shown, after: 100 - shown }));
    this.#frame.style.setProperty("--line", `${this.#lineX}px`);
    const [left, width] = this.#span; // where the tags are
    this.#frame.style.setProperty("--from", `${left}px`);
    this.#frame.style.setProperty("--to", `${this.#camera.pane.width - left - width}px`);
    const { y, scale, source, pane } = this.#camera;
    this.#frame.style.setProperty("--foot", `${Math.max(0, pane.height - y - source.height * scale)}px`);
  }
}
