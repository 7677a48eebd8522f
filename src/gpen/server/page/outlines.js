// The faces of a photo, outlined and numbered on the image.

import { make } from "./dom.js";
import { t } from "./texts.js";

/** Buttons over the image, one for each face. */
export class Outlines {
  element = make("div.outlines", {});
  /** @type {import("./api.js").Face[]} */ #faces = [];

  /** @param {import("./camera.js").Camera} camera @param {(number: number) => void} onFace */
  constructor(camera, onFace) {
    this.camera = camera;
    this.onFace = onFace;
  }

  /** @param {import("./api.js").Face[]} faces */
  set(faces) {
    if (faces === this.#faces) return;
    this.#faces = faces;
    this.element.replaceChildren(...faces.map(({ number }) =>
      make("button.outline", { type: "button", "data-face": number,
        "aria-label": t("faceSettings", { number: number + 1 }), onclick: () => this.onFace(number) },
      make("span", {}, number + 1))));
    this.place();
  }

  place() {
    this.#faces.forEach(({ box_xyxy: [x0, y0, x1, y1] }, at) =>
      this.camera.place(this.element.children[at], { x0, y0, x1, y1 }));
  }

  /** @param {number | null} number */
  mark(number) {
    for (const one of this.element.children) {
      one.classList.toggle("marked", one.dataset.face === String(number));
    }
  }
}
