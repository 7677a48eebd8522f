// A video: as it was sent, or before and after under a line.

import { icon, inTime, make } from "./dom.js";
import { t } from "./texts.js";

/** The two videos may be so far apart before one is moved, in seconds: standing, playing. */
const APART_S = [0.02, 0.2];

/** Plays the original, and over it the result or a part of it. */
export class Player {
  #before = make("video", { playsinline: true, preload: "auto", "aria-label": t("originalVideo") });
  #after = make("video", { playsinline: true, preload: "auto", "aria-label": t("restoredVideo") });
  #slider = make("input.divide", { type: "range", min: 0, max: 100, value: 50, "aria-label": t("compare"),
    oninput: () => this.#divideAt(Number(this.#slider.value)) });
  #frame = make("div.frame.films", {}, make("div.pane.left", {}, this.#before),
    make("div.pane.right", {}, this.#after), make("div.divider", { "aria-hidden": "true" }, make("span", {})),
    this.#slider, make("span.tag.left", { "aria-hidden": "true" }, t("before")),
    make("span.tag.right", { "aria-hidden": "true" }, t("after")));
  #play = make("button.ghost.square", { type: "button", onclick: () => this.#toggle() });
  #seek = make("input", { type: "range", min: 0, max: 1000, value: 0, "aria-label": t("seek"),
    oninput: () => this.#seekTo((this.#seek.value / 1000) * this.#length) });
  #time = make("output", {});
  #bar = make("div.film-bar", {}, this.#play, this.#seek, this.#time);
  #note = make("p.help", { hidden: true }, t("noPlay"));
  /** Where the result begins in the original, in seconds. */ #offset = 0;
  #pair = false;
  #urls = "";

  constructor() {
    this.element = make("div.player", {}, this.#frame, this.#bar, this.#note);
    for (const name of ["play", "pause", "timeupdate", "loadedmetadata", "seeked"]) {
      this.#after.addEventListener(name, () => this.#draw());
      this.#before.addEventListener(name, () => this.#pair || this.#draw());
    }
    this.#before.addEventListener("error", () => this.#failed());
    this.#after.addEventListener("error", () => (this.#note.hidden = !this.#pair));
    this.#frame.addEventListener("pointerdown", (down) => {
      if (down.target.matches("video") && !this.#pair) return;
      this.#frame.setPointerCapture(down.pointerId);
      const slide = (event) => {
        const { left, width } = this.#frame.getBoundingClientRect();
        this.#divideAt((100 * (event.clientX - left)) / width);
      };
      slide(down);
      this.#frame.onpointermove = slide;
      this.#frame.onpointerup = this.#frame.onlostpointercapture = () => (this.#frame.onpointermove = null);
    });
    this.#divideAt(50);
  }

  /** The video whose time counts. */
  get #leading() {
    return this.#pair ? this.#after : this.#before;
  }

  get #length() {
    return this.#leading.duration || 0;
  }

  /** Place in the original, in seconds. */
  get at() {
    return this.#pair ? this.#offset + this.#after.currentTime : this.#before.currentTime;
  }

  /**
   * @param {string} original @param {string} result Empty while there is none.
   * @param {number} [offset] Where the result begins in the original, in seconds.
   */
  set(original, result, offset = 0) {
    const urls = `${original} ${result} ${offset}`;
    if (urls === this.#urls) return;
    const at = this.#urls ? this.at : 0;
    this.#urls = urls;
    [this.#pair, this.#offset] = [Boolean(result), offset];
    this.#note.hidden = true;
    this.#frame.classList.remove("one");
    this.#frame.classList.toggle("alone", !result);
    this.#before.muted = this.#pair;
    if (this.#before.getAttribute("src") !== original) this.#before.src = original;
    if (result) this.#after.src = result;
    else this.#after.removeAttribute("src");
    if (result) this.#before.currentTime = offset;
    else if (at) this.#before.currentTime = at;
    this.#draw();
  }

  /** The original cannot be played; the result may be. */
  #failed() {
    this.#note.hidden = this.#pair;
    this.#frame.classList.add("one");
  }

  #toggle() {
    const video = this.#leading;
    if (video.paused) video.play().catch(() => (this.#note.hidden = false));
    else video.pause();
  }

  #seekTo(seconds) {
    this.#leading.currentTime = seconds;
    this.#draw();
  }

  /** Bring the controls up to date, and the original to the place of the result. */
  #draw() {
    const video = this.#leading;
    const { paused, currentTime } = video;
    this.#play.replaceChildren(icon(paused ? "play" : "pause"));
    this.#play.setAttribute("aria-label", t(paused ? "play" : "pausePlaying"));
    this.#seek.value = String(this.#length ? (1000 * currentTime) / this.#length : 0);
    this.#seek.style.setProperty("--part", `${this.#seek.value / 10}%`);
    this.#seek.setAttribute("aria-valuetext", inTime(currentTime));
    this.#time.textContent = `${inTime(currentTime)} / ${inTime(this.#length)}`;
    if (video.videoWidth) this.#frame.style.setProperty("--ratio", String(video.videoWidth / video.videoHeight));
    if (!this.#pair || this.#frame.classList.contains("one")) return;
    const wanted = this.#offset + currentTime;
    if (Math.abs(this.#before.currentTime - wanted) > APART_S[Number(!paused)]) this.#before.currentTime = wanted;
    if (paused !== this.#before.paused) {
      if (paused) this.#before.pause();
      else this.#before.play().catch(() => {});
    }
  }

  /** Stop when another item is shown. */
  rest() {
    this.#before.pause();
    this.#after.pause();
  }

  #divideAt(percent) {
    const value = Math.round(Math.min(100, Math.max(0, percent)));
    this.#slider.value = String(value);
    this.#slider.setAttribute("aria-valuetext", t("compareValue", { before: value, after: 100 - value }));
    this.#frame.style.setProperty("--line", `${value}%`);
  }
}
