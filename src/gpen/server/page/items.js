// One photo or video of the visit, and what is sent about it.

/**
 * @typedef {{on: boolean, own: number | null}} FaceChoice `own` is a strength of its own.
 * @typedef {"waiting" | "queued" | "working" | "done" | "failed" | "cancelled" | "expired"} State
 * @typedef {{key: number, kind: "photo" | "clip", file: File | null, name: string, state: State,
 *   local: string, thumb: string, photo: import("./api.js").Photo | null,
 *   answer: import("./api.js").Answer | null, clip: import("./api.js").Clip | null,
 *   job: import("./api.js").Job | null, made: import("./api.js").Job | null,
 *   part: {job: import("./api.js").Job, at: number, seconds: number} | null, sent: number,
 *   silent: number, problem: string, status: number, madeWith: string,
 *   faces: Map<number, FaceChoice>, people: number[] | null, search: any, trial: Item | null,
 *   quiet: boolean, stop: AbortController | null}} Item
 *   `photo` and `clip` are what the server keeps; `answer` and `made` what became of it; `job` is
 *   the video being worked on, `part` the five seconds that were tried and `trial` the frame;
 *   `sent` is the part of the file that has gone out, `silent` how many looks in a row had no
 *   answer; `quiet` work is done beside the old result, which stays; `people` are tracks, or null.
 */

const CLIP_NAME = /\.(mp4|m4v|mkv|mov|avi|webm|mpe?g|wmv|flv|3gp|mts|m2ts|ts|ogv)$/i;
let nextKey = 1;

/** @param {Partial<Item>} known @returns {Item} */
export const makeItem = (known) => ({
  key: nextKey++, kind: "photo", file: null, name: "", state: "waiting", local: "", thumb: "",
  photo: null, answer: null, clip: null, job: null, made: null, part: null, sent: 0, silent: 0,
  problem: "", status: 0, madeWith: "", faces: new Map(), people: null, search: null, trial: null,
  quiet: false, stop: null, ...known,
});

/** @param {File} file */
export const itemOfFile = (file) => makeItem({
  kind: file.type.startsWith("video/") || CLIP_NAME.test(file.name) ? "clip" : "photo",
  file, name: file.name, local: URL.createObjectURL(file),
});

/** What is sent with a photo. @param {Item} item @param {import("./settings.js").Settings} settings */
export function photoValues(item, settings) {
  const values = settings.forPhoto();
  const parts = [];
  for (const [number, { on, own }] of item.faces) {
    if (!on) parts.push(`${number}=0`);
    else if (own !== null) parts.push(`${number}=${own}`);
  }
  return parts.length ? { ...values, face_blend: parts.join(",") } : values;
}

/** What is sent with a video. @param {Item} item @param {import("./settings.js").Settings} settings */
export function clipValues(item, settings) {
  const values = settings.forClip();
  return item.people ? { ...values, faces: `track:${item.people.join(",")}` } : values;
}

/** What has to be known to find an item again after a reload. @param {Item} item */
export const noteOf = (item) => ({
  kind: item.kind, name: item.name, url: (item.photo ?? item.clip)?.url, people: item.people,
  faces: [...item.faces], job: item.job?.url ?? item.made?.url ?? null,
});
