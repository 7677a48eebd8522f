// The photos and videos of this visit: what is sent, waited for, done, failed.

import { NO_ANSWER, Problem, request, restorePhoto, sendClip } from "./api.js";
import { inBytes } from "./dom.js";

/**
 * @typedef {{on: boolean, own: number | null}} FaceChoice `own` is a strength of its own.
 * @typedef {"waiting" | "queued" | "working" | "done" | "failed" | "cancelled"} State
 * @typedef {{key: number, kind: "photo" | "clip", file: File, name: string, state: State,
 *   local: string, thumb: string, answer: import("./api.js").Answer | null,
 *   job: import("./api.js").Job | null, clip: import("./api.js").Job | null, sent: number,
 *   silent: number, problem: string, madeWith: string, faces: Map<number, FaceChoice>,
 *   stop: AbortController | null}} Item `sent` is the part of the file that has gone out, `silent`
 *   how many looks at a video in a row had no answer; `answer` and `clip` are what is restored, and
 *   stay until something newer is there; `job` is the video that is being worked on.
 */

/** Photos under way at the same time: one is worked on while the next one travels. */
const AT_ONCE = 2;
/** Milliseconds between two looks at a video, and looks without an answer before giving up. */
const LOOK_MS = 500;
const PATIENCE = 10;
const CLIP_NAME = /\.(mp4|m4v|mkv|mov|avi|webm|mpe?g|wmv|flv|3gp|mts|m2ts|ts|ogv)$/i;

/** Tells "list" listeners when items come, go or are chosen, "item" ones when one changes. */
export class Work extends EventTarget {
  /** @type {Item[]} */ items = [];
  /** @type {Item | null} */ selected = null;
  #nextKey = 1;
  #running = 0;

  /** @param {import("./settings.js").Settings} settings */
  constructor(settings) {
    super();
    this.settings = settings;
  }

  /** Take files in; photos start at once, videos wait for their settings. @param {File[]} files */
  add(files) {
    const added = files.map((file) => this.#itemOf(file));
    if (!added.length) return;
    this.items.push(...added);
    this.select(added[0]);
    for (const item of added.filter((one) => one.kind === "photo")) this.start(item);
  }

  /** @param {File} file @returns {Item} */
  #itemOf(file) {
    const clip = file.type.startsWith("video/") || CLIP_NAME.test(file.name);
    return {
      key: this.#nextKey++, kind: clip ? "clip" : "photo", file, name: file.name, state: "waiting",
      local: URL.createObjectURL(file), thumb: "", answer: null, job: null, clip: null, sent: 0,
      silent: 0, problem: "", madeWith: "", faces: new Map(), stop: null,
    };
  }

  /** @param {Item | null} item */
  select(item) {
    this.selected = item;
    this.dispatchEvent(new Event("list"));
  }

  /** @param {Item} item @param {Partial<Item>} changes */
  change(item, changes) {
    Object.assign(item, changes);
    this.dispatchEvent(new CustomEvent("item", { detail: item }));
  }

  /** Restore, or restore again with the settings of now. @param {Item} item */
  start(item) {
    item.stop?.abort();
    const stop = new AbortController();
    this.change(item, { state: "queued", problem: "", sent: 0, silent: 0, stop });
    if (item.kind === "clip") this.#follow(item, stop.signal, () => this.#runClip(item, stop.signal));
    else this.#pump();
  }

  /** Start what waits, as far as there is room. */
  #pump() {
    const next = this.items.find((one) => one.kind === "photo" && one.state === "queued");
    if (!next?.stop || this.#running >= AT_ONCE) return;
    this.#running += 1;
    const { signal } = next.stop;
    this.#follow(next, signal, () => this.#runPhoto(next, signal)).finally(() => {
      this.#running -= 1;
      this.#pump();
    });
    this.#pump();
  }

  /** Run a job and keep what became of it; what was aborted has been told already. */
  async #follow(item, signal, job) {
    this.change(item, { state: "working" });
    try {
      const limit = this.settings.limits[item.kind === "clip" ? "video_bytes" : "photo_bytes"];
      if (item.file.size > limit) throw new Problem(tooLarge(item.file, limit), 413);
      await job();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) console.error(error);
      this.change(item, { state: "failed", problem: error.message, job: null, stop: null });
    }
  }

  async #runPhoto(item, signal) {
    const values = { ...this.settings.forPhoto(), ...faceValues(item) };
    const onSent = (part) => this.change(item, { sent: part });
    const answer = await patiently(() => restorePhoto(item.file, values, signal, onSent), signal);
    const old = item.answer;
    this.change(item, { answer, state: "done", madeWith: JSON.stringify(values), stop: null });
    if (old) forget(old.result.url);
  }

  async #runClip(item, signal) {
    const values = this.settings.forClip();
    const onSent = (part) => this.change(item, { sent: part });
    let job = await patiently(() => sendClip(item.file, values, signal, onSent), signal);
    while (["queued", "running"].includes(job.state)) {
      this.change(item, { job });
      await pause(LOOK_MS);
      if (signal.aborted) return;
      try {
        job = await request("GET", job.url, { signal });
        item.silent = 0;
      } catch (error) {
        item.silent += 1;
        if (error.status !== 0 || item.silent >= PATIENCE) throw error;
      }
    }
    if (job.state !== "done") throw new Problem(endOf(job), 0);
    const old = item.clip;
    const madeWith = JSON.stringify(values);
    this.change(item, { clip: job, job: null, state: "done", madeWith, stop: null });
    if (old) forget(old.url);
  }

  /** @param {Item} item */
  cancel(item) {
    if (!item.stop) return;
    item.stop.abort();
    if (item.job) forget(item.job.url);
    const unfinished = item.kind === "clip" ? "waiting" : "cancelled";
    const state = item.answer || item.clip ? "done" : unfinished;
    this.change(item, { state, stop: null, job: null });
  }

  /** Take items out of the visit, and their results off the server. @param {Item[]} gone */
  remove(...gone) {
    for (const item of gone) {
      item.stop?.abort();
      const urls = [item.answer?.result.url, item.clip?.url, item.job?.url];
      for (const url of urls) if (url) forget(url);
      for (const url of [item.local, item.thumb]) if (url) URL.revokeObjectURL(url);
    }
    const place = this.items.findIndex((one) => one === this.selected);
    const kept = (one) => one && !gone.includes(one);
    const next = [...this.items.slice(Math.max(0, place)), ...this.items.slice(0, place).reverse()];
    this.items = this.items.filter(kept);
    this.select(next.find(kept) ?? null);
  }

  /** Whether a photo was made with other settings than those of now. @param {Item} item */
  isStale(item) {
    if (item.kind !== "photo" || item.state !== "done") return false;
    return item.madeWith !== JSON.stringify({ ...this.settings.forPhoto(), ...faceValues(item) });
  }
}

/** What the choices of single faces are as a setting. @param {Item} item */
function faceValues(item) {
  const parts = [];
  for (const [number, { on, own }] of item.faces) {
    if (!on) parts.push(`${number}=0`);
    else if (own !== null) parts.push(`${number}=${own}`);
  }
  return parts.length ? { face_blend: parts.join(",") } : {};
}

/** Wait and ask again while the server says that its queue is full. */
async function patiently(send, signal) {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (error.status !== 429) throw error;
      await pause(1000 * Math.max(1, error.wait));
      if (signal.aborted) throw error;
    }
  }
}

/** Remove a result; when it is gone already, or the server is, nothing is lost. @param {string} url */
function forget(url) {
  request("DELETE", url).catch(() => {});
}

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {import("./api.js").Job} job */
function endOf(job) {
  if (job.state === "failed") return job.error?.detail ?? "The video failed, and no reason was given.";
  if (job.state === "stopped") return "The server was ended before the video was done.";
  return job.state === "cancelled" ? "The video was cancelled." : NO_ANSWER;
}

const tooLarge = (file, limit) =>
  `${file.name} has ${inBytes(file.size)}; this server takes at most ${inBytes(limit)}.`;
