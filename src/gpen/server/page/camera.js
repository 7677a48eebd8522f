// Which part of an image is seen, and how large. Scale is CSS pixels for one pixel of the source;
// x and y are where the source's corner lies in the pane.

/** Largest enlargement of a source pixel, in device pixels. */
const LARGEST = 16;
/** Part of the pane that a face fills when it is looked at closely. */
const FACE_SHARE = 0.6;

/** @typedef {{x0: number, y0: number, x1: number, y1: number}} Box */

/** Keeps an image in its pane. */
export class Camera {
  source = { width: 1, height: 1 };
  pane = { width: 1, height: 1 };
  /** Pixels of the result for one of the source. */ factor = 1;
  scale = 1;
  x = 0;
  y = 0;
  /** Whether all is seen, as large as it fits; it then stays so when the pane changes. */ fits = true;

  get fitScale() {
    const { source, pane } = this;
    return Math.min(pane.width / source.width, pane.height / source.height);
  }

  /** At which a pixel of the result is one of the screen. */
  get realScale() {
    return 1 / (devicePixelRatio * this.factor);
  }

  /** How large the result is seen, 1 for real pixels. */
  get magnification() {
    return this.scale / this.realScale;
  }

  fit() {
    this.fits = true;
    this.#set(this.fitScale, this.pane.width / 2, this.pane.height / 2, 0, 0);
  }

  /** Call when the pane or the image has another size. */
  update() {
    if (this.fits) this.fit();
    else this.#clamp();
  }

  /** Zoom so that the point (px, py) of the pane stays. @param {number} scale */
  zoomTo(scale, px = this.pane.width / 2, py = this.pane.height / 2) {
    const most = LARGEST / devicePixelRatio;
    const wanted = Math.min(Math.max(scale, this.fitScale), Math.max(most, this.fitScale));
    if (wanted <= this.fitScale * 1.001) return this.fit();
    const [u, v] = [(px - this.x) / this.scale, (py - this.y) / this.scale];
    this.fits = false;
    return this.#set(wanted, px, py, u, v);
  }

  /** @param {number[]} box In pixels of the source. */
  lookAt([x0, y0, x1, y1]) {
    const side = Math.max((x1 - x0) / this.pane.width, (y1 - y0) / this.pane.height);
    const scale = Math.max(this.fitScale, Math.min(FACE_SHARE / side, LARGEST / devicePixelRatio));
    this.fits = false;
    this.#set(scale, this.pane.width / 2, this.pane.height / 2, (x0 + x1) / 2, (y0 + y1) / 2);
  }

  /** @param {number} dx @param {number} dy In CSS pixels. */
  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#clamp();
  }

  #set(scale, px, py, u, v) {
    this.scale = scale;
    this.x = px - u * scale;
    this.y = py - v * scale;
    this.#clamp();
  }

  /** No edge of the image is further in than the edge of the pane; what is smaller is centred. */
  #clamp() {
    const inside = (at, size, room) =>
      size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at));
    this.x = inside(this.x, this.source.width * this.scale, this.pane.width);
    this.y = inside(this.y, this.source.height * this.scale, this.pane.height);
  }

  /** The part of the source that is seen, in whole pixels. @returns {Box} */
  get seen() {
    const { source, pane, scale, x, y } = this;
    return {
      x0: Math.max(0, Math.floor(-x / scale)), y0: Math.max(0, Math.floor(-y / scale)),
      x1: Math.min(source.width, Math.ceil((pane.width - x) / scale)),
      y1: Math.min(source.height, Math.ceil((pane.height - y) / scale)),
    };
  }

  /** Put an element where a box of the source is seen. @param {HTMLElement} element @param {Box} box */
  place(element, { x0, y0, x1, y1 }) {
    const { style } = element;
    style.transform = `translate(${this.x + x0 * this.scale}px, ${this.y + y0 * this.scale}px)`;
    style.width = `${(x1 - x0) * this.scale}px`;
    style.height = `${(y1 - y0) * this.scale}px`;
  }
}
