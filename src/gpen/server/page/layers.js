// One pane of the comparison: the whole image, and over it the part that is seen at full resolution.

import { fetchBlob, patiently } from "./api.js";
import { make } from "./dom.js";

/**
 * @typedef {import("./camera.js").Box} Box
 * @typedef {{url: string, query: Record<string, string>}} Subject A photo on the server, and what of
 *   it: before, or after with settings.
 */

/** Longest side of the image that shows the whole. */
const WHOLE_PX = 2048;

/** Fetches what a pane shows; of several wishes that come while one is on its way, the last. */
export class Layers {
  element = make("div.layers", {});
  /** @type {{image: HTMLImageElement, box: Box, scale: number} | null} */ #whole = null;
  /** @type {{image: HTMLImageElement, box: Box, scale: number} | null} */ #part = null;
  /** @type {Subject | null} */ #subject = null;
  #alt = "";
  #busy = false;
  #wanted = false;
  #turn = 0;

  /**
   * @param {import("./camera.js").Camera} camera
   * @param {{onShown: (query: string) => void, onError: (error: any) => void}} told
   */
  constructor(camera, told) {
    this.camera = camera;
    this.told = told;
  }

  /** Show a file of the browser's own while the server has none. @param {string} url */
  async showLocal(url, alt = "") {
    this.clear();
    const turn = this.#turn;
    const image = make("img", { src: url, alt, draggable: "false" });
    await image.decode();
    if (turn !== this.#turn) return null;
    const { naturalWidth: width, naturalHeight: height } = image;
    this.#whole = { image, box: { x0: 0, y0: 0, x1: width, y1: height }, scale: 1 };
    this.element.replaceChildren(image);
    return { width, height };
  }

  /** Show another photo or other settings; the old image stays until the new one is there. */
  show(subject, alt) {
    if (subject.url !== this.#subject?.url) this.#turn += 1;
    this.#subject = subject;
    this.#alt = alt;
    this.refresh();
  }

  clear() {
    this.#turn += 1;
    this.#subject = null;
    this.#whole = this.#part = null;
    this.element.replaceChildren();
  }

  /** Fetch what is seen now, once what is on its way has come. */
  async refresh() {
    this.#wanted = true;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wanted && this.#subject) {
      this.#wanted = false;
      const turn = this.#turn;
      try {
        await this.#fetch(this.#subject, turn);
      } catch (error) {
        if (turn === this.#turn) this.told.onError(error);
      }
    }
    this.#busy = false;
  }

  /** The part first, if one is seen: the whole is under it. */
  async #fetch(subject, turn) {
    const { camera } = this;
    const key = JSON.stringify(subject);
    const device = camera.scale * devicePixelRatio;
    const { width, height } = camera.source;
    const everything = { x0: 0, y0: 0, x1: width, y1: height };
    const least = Math.min(device, WHOLE_PX / Math.max(width, height));
    const needsPart = device > least * 1.05;
    const box = camera.seen;
    if (needsPart) {
      const part = await this.#load(subject, box, device);
      if (turn !== this.#turn) return;
      this.#swap("part", part, key);
    }
    if (this.#wanted && this.#whole) return; // something newer is wanted, and all is covered
    const isOld = this.#wholeKey !== key || (this.#whole?.scale ?? 0) < least * 0.95;
    if (isOld) {
      const whole = await this.#load(subject, everything, least);
      if (turn !== this.#turn) return;
      this.#wholeKey = key;
      this.#swap("whole", whole, key);
    }
    if (!needsPart && this.#part) {
      this.#part = null;
      this.#draw();
    }
    this.told.onShown(new URLSearchParams(subject.query).toString());
  }

  #wholeKey = "";
  #partKey = "";

  /** @param {Subject} subject @param {Box} box @param {number} device Device pixels of one of the source. */
  async #load({ url, query }, box, device) {
    const size = [box.x1 - box.x0, box.y1 - box.y0]
      .map((side) => Math.max(1, Math.round(side * device))).join("x");
    const area = [box.x0, box.y0, box.x1, box.y1].join();
    const path = `${url}/view?${new URLSearchParams({ ...query, box: area, size })}`;
    const blob = await patiently(() => fetchBlob(path));
    const image = make("img", { alt: "", draggable: "false" });
    image.src = URL.createObjectURL(blob);
    await image.decode();
    return { image, box, scale: device };
  }

  /** @param {"whole" | "part"} which */
  #swap(which, layer, key) {
    const old = which === "whole" ? this.#whole : this.#part;
    if (old?.image.src.startsWith("blob:") && which === "part") URL.revokeObjectURL(old.image.src);
    if (which === "whole") this.#whole = layer;
    else [this.#part, this.#partKey] = [layer, key];
    // A whole of newer settings must not lie under a part of older ones.
    if (which === "whole" && this.#part && this.#partKey !== key) this.#part = null;
    this.#draw();
  }

  #draw() {
    const layers = [this.#whole, this.#part].filter((one) => one !== null);
    layers.forEach(({ image }, place) => (image.alt = place ? "" : this.#alt));
    this.element.replaceChildren(...layers.map(({ image }) => image));
    this.place();
  }

  /** Put the images where the camera sees them. */
  place() {
    const real = this.camera.magnification >= 3;
    for (const layer of [this.#whole, this.#part]) {
      if (!layer) continue;
      this.camera.place(layer.image, layer.box);
      layer.image.classList.toggle("pixels", real);
    }
  }
}
