// What is said below the image: what is being done, what went wrong, what can be done next.

import { inBytes, inPercent, inTime } from "./dom.js";
import { known, t } from "./texts.js";

/**
 * @typedef {import("./items.js").Item} Item
 * @typedef {{text: string, part?: number | null, tone?: string,
 *   buttons?: [string, () => void, boolean?][]}} Status `part` is null where nobody knows how much is
 *   done; a button is its name, what it does, and whether it is the main one.
 */

/** @param {Item} item @param {import("./work.js").Work} work @param {() => number} at @returns {Status} */
export function statusOf(item, work, at) {
  const start = () => work.start(item);
  const restoreAgain = /** @type {[string, () => void, boolean]} */ ([t("restoreAgain"), start, true]);
  if (item.state === "expired") {
    const canSend = item.file || item.kind === "clip";
    return { text: item.problem, tone: "bad", buttons: canSend ? [restoreAgain] : [] };
  }
  if (item.state === "failed") {
    return { text: item.problem, tone: "bad",
      buttons: [item.status === 410 ? restoreAgain : [t("tryAgain"), start]] };
  }
  if (item.state === "cancelled") return { text: t("cancelled"), buttons: [[t("restore"), start]] };
  if (item.state === "working" || item.state === "queued") return busy(item, work);
  if (item.kind === "clip") return clip(item, work, at);
  if (item.quiet && item.stop) return { text: t("restoring"), part: null };
  const { notes } = item.answer ?? { notes: [] };
  if (item.photo && !item.photo.faces.length) return { text: t("noFace"), tone: "note" };
  return notes.length ? { text: notes.join(" · "), tone: "note" } : { text: t("drag") };
}

/** @param {Item} item @param {import("./work.js").Work} work @returns {Status} */
function busy(item, work) {
  /** @type {[string, () => void, boolean?][]} */
  const buttons = [[t("cancel"), () => work.cancel(item)]];
  const { job } = item;
  if (job?.state === "paused") buttons.unshift([t("resume"), () => work.clip("control", item, "resume"), true]);
  else if (job) buttons.unshift([t("pause"), () => work.clip("control", item, "pause")]);
  return { ...progressOf(item), buttons };
}

/** Videos wait until they are started: they take minutes. */
function clip(item, work, at) {
  /** @type {[string, () => void, boolean?][]} */
  const buttons = [
    [t("tryFrame"), () => work.clip("tryFrame", item, at())],
    [t("trySeconds"), () => work.clip("trySeconds", item, at())],
    [t("choosePeople"), () => work.clip("findPeople", item)],
  ];
  const waiting = work.items.filter((one) => one.kind === "clip" && one.state === "waiting");
  if (waiting.length > 1 && item.state === "waiting") {
    buttons.push([t("restoreVideos", { n: waiting.length }), () => waiting.forEach((one) => work.start(one))]);
  }
  const done = item.state === "done";
  buttons.push([t(done ? "restoreAgain" : "restoreVideo"), () => work.start(item), !done]);
  const texts = [];
  if (item.part) texts.push(t("trial", { at: inTime(item.part.at) }), item.people ? t("peoplePreview") : "");
  else if (done) texts.push(...(item.made?.notes ?? []), t("clipDone"));
  else texts.push(t("clipWaiting"));
  return { text: texts.filter(Boolean).join(" "), buttons };
}

/** How far a photo or video under way is. @param {Item} item @returns {Status} */
export function progressOf(item) {
  if (item.state === "queued") return { text: t("waitingTurn"), part: null };
  if (item.silent) return { text: t("askingAgain"), part: null };
  const { job, search } = item;
  if (item.sent < 1 && !job && !item.photo && !item.clip) {
    const sending = item.sent > 0 && (item.file?.size ?? 0) > 1e6;
    return sending ? { text: t("sending", { percent: inPercent(item.sent) }), part: item.sent }
      : { text: t("restoring"), part: null };
  }
  if (!job && item.kind === "clip" && search && !search.people) {
    const part = search.total ? search.done / search.total : null;
    return { text: t("peopleSearching", { percent: inPercent(part ?? 0) }), part };
  }
  if (!job) return { text: t("restoring"), part: null };
  if (job.state === "paused") {
    return { text: t("paused", { percent: inPercent(job.part ?? 0) }), part: job.part ?? 0 };
  }
  if (job.state === "queued") return { text: t("queuedClip", { n: job.position }), part: null };
  const stage = `stage${job.stage?.[0].toUpperCase()}${job.stage?.slice(1)}`;
  const text = [known(stage) ? t(stage) : t("restoring")];
  if (job.part !== null) text.push(inPercent(job.part));
  if (job.fps) text.push(t("framesPerSecond", { fps: job.fps.toFixed(1) }));
  if (job.eta_s !== null) {
    const time = inTime(job.eta_s);
    text.push(t(job.stage === "faces" ? "about" : "left", { time })); // by other videos, or this one
  }
  return { text: text.join(" · "), part: job.part };
}

/** Size, faces and time of what is done. @param {Item} item */
export function factsOf(item) {
  if (item.answer && item.photo) {
    const { source, result, seconds } = item.answer;
    const size = ({ width, height }) => `${width} × ${height}`;
    const same = size(source) === size(result);
    const spent = Object.values(seconds).reduce((sum, one) => sum + one, 0);
    return [same ? size(source) : `${size(source)} → ${size(result)}`, result.format,
      inTime(spent)].join(" · ");
  }
  const result = item.made?.result;
  if (!result) return item.file ? inBytes(item.file.size) : "";
  return [t("nFrames", { n: result.frames }), t("nFaces", { n: result.faces }),
    t("nPeople", { n: result.people }), inBytes(result.bytes)].join(" · ");
}
