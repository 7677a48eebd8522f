// The life of a photo: sent once, then restored as often as settings change.

import { Problem, forget, patiently, request, sendFile } from "./api.js";
import { inBytes } from "./dom.js";
import { photoValues } from "./items.js";
import { t } from "./texts.js";

/** @typedef {import("./items.js").Item} Item @typedef {import("./work.js").Work} Work */

/** Photos under way at the same time: one is worked on while the next one travels. */
const AT_ONCE = 2;

/** The photos of a visit. */
export class Photos {
  #running = 0;
  /** @type {Item[]} */ #queue = [];

  /** @param {Work} work */
  constructor(work) {
    this.work = work;
  }

  /**
   * Restore, or restore again with the settings of now; an old result stays meanwhile.
   * @param {Item} item
   */
  start(item) {
    item.stop?.abort();
    const quiet = Boolean(item.answer) && item.state !== "expired";
    if (item.state === "expired") item.photo = null;
    this.work.change(item, { state: quiet ? "done" : "queued", quiet, problem: "", status: 0, sent: 0,
      stop: new AbortController() });
    this.#queue = [...this.#queue.filter((one) => one !== item), item];
    this.#pump();
  }

  /** Start what waits, as far as there is room. */
  #pump() {
    if (this.#running >= AT_ONCE) return;
    const item = this.#queue.shift();
    if (!item) return;
    const stop = item.stop;
    if (stop && !stop.signal.aborted) {
      this.#running += 1;
      this.#run(item, stop.signal).finally(() => {
        this.#running -= 1;
        this.#pump();
      });
    }
    this.#pump();
  }

  /** @param {Item} item @param {AbortSignal} signal */
  async #run(item, signal) {
    if (!item.quiet) this.work.change(item, { state: "working" });
    try {
      if (!item.photo) await this.#send(item, signal);
      await this.#restore(item, signal);
    } catch (error) {
      if (!signal.aborted) fail(this.work, item, error);
    }
  }

  async #send(item, signal) {
    checkSize(item, this.work.settings.limits.photo_bytes);
    const onSent = (part) => this.work.change(item, { sent: part });
    const photo = await patiently(() => sendFile("photos", item.file, signal, onSent), signal);
    if (signal.aborted) return forget(photo.url); // it was taken away meanwhile
    return this.work.change(item, { photo });
  }

  async #restore(item, signal) {
    const values = photoValues(item, this.work.settings);
    const query = new URLSearchParams({ ...values, similarity: "true" });
    const path = `${item.photo?.url}/restore?${query}`;
    const answer = await patiently(() => request("POST", path, { signal }), signal);
    const madeWith = JSON.stringify(values);
    this.work.change(item, { answer, state: "done", madeWith, quiet: false, stop: null });
  }
}

/** Refuse a file before it travels. @param {Item} item @param {number} limit */
export function checkSize(item, limit) {
  if (!item.file) throw new Problem(t("expired", { name: item.name }), 404);
  if (item.file.size > limit) {
    const { name, size } = item.file;
    throw new Problem(t("tooLarge", { name, size: inBytes(size), limit: inBytes(limit) }), 413);
  }
}

/** Keep what went wrong. @param {Work} work @param {Item} item @param {any} error */
export function fail(work, item, error) {
  if (!(error instanceof Problem)) console.error(error);
  const expired = error.status === 404;
  work.change(item, {
    state: expired ? "expired" : "failed", status: error.status ?? 0, job: null, quiet: false,
    problem: expired ? t("expired", { name: item.name }) : error.message, stop: null,
  });
}
