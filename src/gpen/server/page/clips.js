// The life of a video: sent once, tried in parts, restored as a job that outlives the page.

import { Problem, forget, patiently, pause, request, sendFile } from "./api.js";
import { clipValues, makeItem } from "./items.js";
import { checkSize, fail } from "./photos.js";
import { t } from "./texts.js";

/** @typedef {import("./items.js").Item} Item @typedef {import("./work.js").Work} Work */

/** Milliseconds between two looks at a job, and at most while the server is silent. */
const LOOK_MS = 500, SILENT_MS = 5000;
/** Seconds of a video that are tried. */
const TRIED_S = 5;
const UNDER_WAY = ["queued", "running", "paused"];

/** The videos of a visit. */
export class Clips {
  /** @param {Work} work */
  constructor(work) {
    this.work = work;
  }

  /** Restore the whole video. @param {Item} item */
  start(item) {
    this.#begin(item, async (signal) => {
      const values = clipValues(item, this.work.settings);
      const clip = await this.#sent(item, signal);
      const path = `${clip.url}/restore?${new URLSearchParams(values)}`;
      const job = await patiently(() => request("POST", path, { signal }), signal);
      this.work.change(item, { job });
      await this.#finish(item, job, JSON.stringify(values), signal);
    });
  }

  /** Look after a job that an earlier page began. @param {Item} item @param {any} job */
  follow(item, job) {
    this.#begin(item, async (signal) => {
      this.work.change(item, { job });
      await this.#finish(item, job, "", signal);
    });
  }

  /** @param {Item} item @param {(signal: AbortSignal) => Promise<void>} run */
  async #begin(item, run) {
    item.stop?.abort();
    const stop = new AbortController();
    this.work.change(item, { state: "working", problem: "", status: 0, sent: 0, silent: 0, stop });
    try {
      await run(stop.signal);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error.status === 404 && item.file) item.clip = null; // it can be sent again
      fail(this.work, item, error);
    }
  }

  /** Send the file, unless the server has it. @returns {Promise<import("./api.js").Clip>} */
  async #sent(item, signal) {
    if (!item.clip) {
      checkSize(item, this.work.settings.limits.video_bytes);
      const onSent = (part) => this.work.change(item, { sent: part });
      const clip = await patiently(() => sendFile("clips", item.file, signal, onSent), signal);
      this.work.change(item, { clip, sent: 1 });
    }
    return item.clip;
  }

  async #finish(item, begun, madeWith, signal) {
    const job = await this.#ended(item, begun, signal);
    if (signal.aborted) return;
    const old = item.made;
    this.work.change(item, { made: job, job: null, part: null, state: "done", madeWith, stop: null });
    if (old) forget(old.url);
  }

  /** Look until a job has ended; a server that is silent is asked for as long as it takes. */
  async #ended(item, begun, signal) {
    let job = begun;
    while (UNDER_WAY.includes(job.state)) {
      this.work.change(item, { job });
      await pause(Math.min(SILENT_MS, LOOK_MS * 2 ** Math.min(item.silent, 4)));
      if (signal.aborted) return job;
      try {
        job = await request("GET", job.url, { signal });
        item.silent = 0;
      } catch (error) {
        if (error.status === 404) throw new Problem(t("lost"), 410);
        if (error.status !== 0) throw error;
        item.silent += 1;
      }
    }
    if (job.state !== "done") throw new Problem(endOf(job), 0);
    return job;
  }

  /** Restore five seconds from here. @param {Item} item @param {number} at */
  trySeconds(item, at) {
    this.#begin(item, async (signal) => {
      const clip = await this.#sent(item, signal);
      const at_s = Math.max(0, Math.min(at, (clip.duration_s ?? at + TRIED_S) - 0.5));
      const values = { ...this.work.settings.forClip(), start_s: at_s, end_s: at_s + TRIED_S };
      const path = `${clip.url}/restore?${new URLSearchParams(/** @type {any} */ (values))}`;
      const begun = await patiently(() => request("POST", path, { signal }), signal);
      const job = await this.#ended(item, begun, signal);
      if (signal.aborted) return;
      const part = { job, at: at_s, seconds: TRIED_S };
      this.work.change(item, { part, job: null, state: item.made ? "done" : "waiting", stop: null });
    });
  }

  /** Show one frame as a photo, with settings that act at once. @param {Item} item @param {number} at */
  tryFrame(item, at) {
    this.#begin(item, async (signal) => {
      const clip = await this.#sent(item, signal);
      const path = `${clip.url}/frame?at=${at.toFixed(3)}`;
      const photo = await patiently(() => request("POST", path, { signal }), signal);
      const trial = makeItem({ kind: "photo", name: photo.source.name, photo });
      this.work.change(item, { trial, state: item.made ? "done" : "waiting", stop: null });
      this.work.start(trial);
    });
  }

  /** Look for people to choose from. @param {Item} item */
  findPeople(item) {
    this.#begin(item, async (signal) => {
      const clip = await this.#sent(item, signal);
      const path = `${clip.url}/people?${new URLSearchParams(this.work.settings.forClip())}`;
      for (;;) {
        const search = await patiently(() => request("POST", path, { signal }), signal);
        if (search.state === "failed") throw new Problem(search.error.detail, search.error.status);
        this.work.change(item, { search });
        if (search.state === "done") break;
        await pause(LOOK_MS);
        if (signal.aborted) return;
      }
      this.work.change(item, { state: item.made ? "done" : "waiting", stop: null });
    });
  }

  /** @param {Item} item @param {"pause" | "resume"} act */
  async control(item, act) {
    try {
      const job = await request("POST", `${item.job?.url}/${act}`);
      this.work.change(item, { job });
    } catch (error) {
      if (error.status !== 409) throw error; // it has just ended
    }
  }
}

/** @param {import("./api.js").Job} job */
function endOf(job) {
  if (job.error) return job.error.detail;
  if (job.state === "failed") return t("failedNoReason");
  return t(job.state === "stopped" ? "lost" : "wasCancelled");
}
