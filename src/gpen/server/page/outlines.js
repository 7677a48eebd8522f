// The faces of a photo, outlined and numbered on the image.

import { icon, make } from "./dom.js";
import { t } from "./texts.js";

/** Buttons over the image, one for each face. */
export class Outlines {
  element = make("div.outlines", {});
  /** @type {import("./api.js").Face[]} */ #faces = [];

  /** Offers to add a face where the image was clicked. */
  #add = make("button.add-face", { type: "button", hidden: true, onclick: () => {
    this.offer(null);
    this.onAdd(this.#place);
  } }, icon("plus"), t("addFace"));
  #place = [0, 0];

  /**
   * @param {import("./camera.js").Camera} camera @param {(number: number) => void} onFace
   * @param {(place: number[]) => void} onAdd Takes a point of the source.
   */
  constructor(camera, onFace, onAdd) {
    this.camera = camera;
    this.onFace = onFace;
    this.onAdd = onAdd;
  }

  /** Ask whether there is a face, at a point of the source. @param {number[] | null} place */
  offer(place) {
    this.#add.hidden = !place;
    if (!place) return;
    this.#place = place.map(Math.round);
    this.place();
  }

  /** @param {import("./api.js").Face[]} faces */
  set(faces) {
    const boxes = (all) => JSON.stringify(all.map((one) => one.box_xyxy));
    if (boxes(faces) === boxes(this.#faces)) return;
    this.#faces = faces;
    this.element.replaceChildren(...faces.map(({ number }) =>
      make("button.outline", { type: "button", "data-face": number,
        "aria-label": t("faceSettings", { number: number + 1 }), onclick: () => this.onFace(number) },
      make("span", {}, number + 1))), this.#add);
    this.place();
  }

  place() {
    this.#faces.forEach(({ box_xyxy: [x0, y0, x1, y1] }, at) =>
      this.camera.place(this.element.children[at], { x0, y0, x1, y1 }));
    const [x, y] = this.#place;
    const { scale } = this.camera;
    this.#add.style.left = `${this.camera.x + x * scale}px`;
    this.#add.style.top = `${this.camera.y + y * scale}px`;
  }

  /** @param {number | null} number */
  mark(number) {
    for (const one of this.element.children) {
      one.classList.toggle("marked", one.dataset.face === String(number));
    }
  }
}
