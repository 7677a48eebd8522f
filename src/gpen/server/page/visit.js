// Everything of this visit in one strip: to choose from, to add to, to take home at once.

import { fetchBlob } from "./api.js";
import { icon, make } from "./dom.js";
import { t } from "./texts.js";

/** @typedef {import("./items.js").Item} Item */

/** Longest side of the small images, in pixels. */
const THUMB = 192;

/** The strip. */
export class Visit {
  #count = make("p.help", {});
  #list = make("ul.tiles", { role: "list" });
  /** @type {Map<number, HTMLButtonElement>} */ #tiles = new Map();
  #all = make("button.ghost", { type: "button", id: "download-all" }, icon("down"), t("downloadAll"));
  #stop = make("button.ghost", { type: "button", id: "cancel-all" }, t("cancelAll"));
  #clear = make("button.ghost", { type: "button", id: "clear" }, t("clear"));

  /**
   * @param {HTMLElement} root @param {import("./work.js").Work} work
   * @param {{onAdd: () => void, onDownloadAll: () => void, onClear: () => void}} actions
   */
  constructor(root, work, actions) {
    this.root = root;
    this.work = work;
    this.#all.addEventListener("click", actions.onDownloadAll);
    this.#stop.addEventListener("click", () => [...work.items].forEach((one) => work.cancel(one)));
    this.#clear.addEventListener("click", actions.onClear);
    root.append(
      make("div.visit-top", {},
        make("div.titles", {}, make("h2", { id: "visit-title" }, t("visit")), this.#count),
        make("div.row", {}, this.#stop, this.#all, this.#clear)),
      this.#list);
    this.add = make("li", {}, make("button.tile.add", { type: "button", onclick: actions.onAdd },
      icon("plus"), make("span", {}, t("add"))));
  }

  /** Bring the list up to date with the items. */
  list() {
    const { items } = this.work;
    this.root.hidden = !items.length;
    for (const key of this.#tiles.keys()) {
      if (!items.some((one) => one.key === key)) this.#tiles.delete(key);
    }
    const places = items.map((item) => {
      const tile = this.#tiles.get(item.key) ?? this.#tile(item);
      this.#tiles.set(item.key, tile);
      return tile.parentElement ?? make("li", {}, tile);
    });
    const wanted = [...places, this.add];
    if (wanted.some((one, place) => this.#list.children[place] !== one)
      || wanted.length !== this.#list.children.length) this.#list.replaceChildren(...wanted);
    items.forEach((one) => this.mark(one));
  }

  /** @param {Item} item @returns {HTMLButtonElement} */
  #tile(item) {
    const tile = make("button.tile", { type: "button", onclick: () => this.work.select(item) },
      make("span.glyph", {}, item.kind === "clip" ? "▶" : item.name.slice(0, 2)),
      make("span.badge", {}));
    makeThumb(item).then((url) => {
      if (!url) return;
      item.thumb = url;
      tile.firstElementChild?.replaceWith(make("img", { src: url, alt: "", draggable: "false" }));
    });
    return tile;
  }

  /** Bring one tile and the totals up to date. @param {Item} item */
  mark(item) {
    const tile = this.#tiles.get(item.key);
    if (!tile) return;
    tile.setAttribute("aria-label", `${item.name}, ${t(`state_${item.state}`)}`);
    tile.title = item.name;
    tile.dataset.state = item.state;
    if (item === this.work.selected) tile.setAttribute("aria-current", "true");
    else tile.removeAttribute("aria-current");
    this.totals();
  }

  /** How many are done, and what can be done with all of them. */
  totals() {
    const { items } = this.work;
    const done = items.filter((one) => one.state === "done").length;
    const busy = items.filter((one) => one.stop).length;
    this.#count.textContent = t("doneOf", { done, n: items.length });
    this.#all.hidden = done < 2;
    this.#stop.hidden = busy < 2;
  }
}

/**
 * A small image of a photo or of the beginning of a video, made by the browser.
 * @param {Item} item
 * @returns {Promise<string>} Its address; empty where the browser cannot read the file.
 */
async function makeThumb(item) {
  try {
    if (item.photo && !item.file) {
      return URL.createObjectURL(await fetchBlob(`${item.photo.url}/view?of=before&size=${2 * THUMB}x${THUMB}`));
    }
    const source = item.kind === "clip" ? await firstFrame(item.local)
      : await createImageBitmap(item.file, { resizeHeight: THUMB, resizeQuality: "medium" });
    const canvas = document.createElement("canvas");
    const height = source.videoHeight ?? source.height;
    canvas.height = THUMB;
    canvas.width = Math.max(1, Math.round((THUMB * (source.videoWidth ?? source.width)) / height));
    canvas.getContext("2d")?.drawImage(source, 0, 0, canvas.width, canvas.height);
    source.close?.();
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
    return blob ? URL.createObjectURL(blob) : "";
  } catch {
    return "";
  }
}

/** @param {string} url @returns {Promise<any>} */
function firstFrame(url) {
  return new Promise((resolve, reject) => {
    const video = make("video", { preload: "auto", muted: true, onerror: reject,
      onloadeddata: () => resolve(video) });
    video.src = url;
  });
}
