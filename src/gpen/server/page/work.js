// The photos and videos of this visit: which there are, which is shown, what is done with them.

import { forget, request } from "./api.js";
import { itemOfFile, makeItem, noteOf, photoValues } from "./items.js";
import { recall, remember } from "./memory.js";
import { Photos } from "./photos.js";

/** @typedef {import("./items.js").Item} Item */

/** Tells "list" listeners when items come, go or are chosen, "item" ones when one changes. */
export class Work extends EventTarget {
  /** @type {Item[]} */ items = [];
  /** @type {Item | null} */ selected = null;

  /** @param {import("./settings.js").Settings} settings */
  constructor(settings) {
    super();
    this.settings = settings;
    this.photos = new Photos(this);
  }

  /** @type {Promise<import("./clips.js").Clips> | null} */ #clips = null;

  /**
   * Do something with a video; the code for it is fetched with the first.
   * @param {string} act A method of Clips. @param {Item} item @param {...any} more
   */
  async clip(act, item, ...more) {
    this.#clips ??= import("./clips.js").then(({ Clips }) => new Clips(this));
    return /** @type {any} */ (await this.#clips)[act](item, ...more);
  }

  /** What is to be seen: the chosen item, or a frame of it that is tried. */
  get shown() {
    return this.selected?.trial ?? this.selected;
  }

  /** Take files in; photos start at once, videos wait for their settings. @param {File[]} files */
  add(files) {
    const added = files.map(itemOfFile);
    if (!added.length) return;
    this.items.push(...added);
    this.select(added[0]);
    for (const item of added.filter((one) => one.kind === "photo")) this.start(item);
  }

  /** @param {Item | null} item */
  select(item) {
    this.selected = item;
    this.dispatchEvent(new Event("list"));
    if (item && this.isStale(item)) this.start(item);
    this.#note();
  }

  /** @param {Item} item @param {Partial<Item>} changes */
  change(item, changes) {
    const noted = JSON.stringify(noteOf(item));
    Object.assign(item, changes);
    this.dispatchEvent(new CustomEvent("item", { detail: item }));
    if (JSON.stringify(noteOf(item)) !== noted) this.#note();
  }

  /** Restore, or restore again with the settings of now. @param {Item} item */
  start(item) {
    if (item.kind === "clip") this.clip("start", item);
    else this.photos.start(item);
    this.#note();
  }

  /** @param {Item} item */
  cancel(item) {
    if (!item.stop) return;
    item.stop.abort();
    if (item.job) forget(item.job.url);
    const unfinished = item.kind === "clip" ? "waiting" : "cancelled";
    const state = item.answer || item.made ? "done" : unfinished;
    this.change(item, { state, stop: null, job: null, quiet: false });
  }

  /**
   * Take items out of the visit; they stay on the server until `bury`.
   * @param {Item[]} gone
   */
  remove(...gone) {
    const place = this.items.findIndex((one) => one === this.selected);
    const kept = (one) => one && !gone.includes(one);
    const next = [...this.items.slice(Math.max(0, place)), ...this.items.slice(0, place).reverse()];
    this.items = this.items.filter(kept);
    this.select(next.find(kept) ?? null);
  }

  /** Bring items back that were removed. @param {Item[]} items In their order. */
  putBack(items) {
    this.items = items;
    this.select(items[0] ?? null);
  }

  /** Take what was removed off the server. @param {Item[]} gone */
  bury(...gone) {
    for (const item of gone) {
      item.stop?.abort();
      const urls = [item.photo?.url, item.trial?.photo?.url, item.job?.url, item.made?.url,
        item.part?.job.url, item.clip?.url];
      for (const url of urls) if (url) forget(url);
      for (const url of [item.local, item.thumb]) if (url) URL.revokeObjectURL(url);
    }
  }

  /** Whether a photo was made with other settings than those of now. @param {Item} item */
  isStale(item) {
    if (item.kind !== "photo") return false;
    if (item.state === "failed") return item.status === 422; // another setting may mend it
    if (item.state !== "done" || item.stop) return Boolean(item.stop && item.answer);
    return item.madeWith !== JSON.stringify(photoValues(item, this.settings));
  }

  /** Remember the visit for a reload. */
  #note() {
    const notes = this.items.map(noteOf).filter((one) => one.url);
    remember("visit", notes.length ? notes : null);
  }

  /**
   * Bring back the visit that a page before this one began.
   * @returns {Promise<number>} How many of its images have expired.
   */
  async recall() {
    const notes = recall("visit") ?? [];
    const found = await Promise.all(notes.map((one) => this.#found(one).catch(() => null)));
    const items = /** @type {Item[]} */ (found.filter(Boolean));
    if (items.length) {
      this.items = [...items, ...this.items];
      this.select(this.selected ?? items[0]);
    } else if (notes.length) this.#note();
    for (const item of items) {
      if (item.kind === "photo") this.start(item);
      else if (item.job) this.clip("follow", item, item.job);
    }
    return notes.length - items.length;
  }

  /** @returns {Promise<Item>} */
  async #found({ kind, name, url, people, faces, job: jobUrl }) {
    const kept = await request("GET", url);
    if (kind === "photo") return makeItem({ kind, name, photo: kept, faces: new Map(faces) });
    const job = jobUrl && (await request("GET", jobUrl).catch(() => null));
    const made = job?.state === "done" ? job : null;
    const under = job && ["queued", "running", "paused"].includes(job.state) ? job : null;
    return makeItem({ kind, name, clip: kept, people, local: kept.source_url, made, job: under,
      state: made ? "done" : "waiting" });
  }
}
