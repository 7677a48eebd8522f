// The image in the middle: its name, what is being done with it, its faces.

import { counted, icon, inBytes, inPercent, inTime, make } from "./dom.js";
import { FaceList } from "./faces.js";
import { Player, Viewer } from "./viewer.js";
import { STAGES } from "./words.js";

/**
 * @typedef {import("./work.js").Item} Item
 * @typedef {{text: string, part?: number | null, tone?: string,
 *   buttons?: [string, () => void, boolean?][]}} Status `part` is null where nobody knows how much is
 *   done; a button is its name, what it does, and whether it is the main one.
 */

/** Shows one item of the visit at a time. */
export class Stage {
  #name = make("h2.name", { tabindex: "-1" });
  #facts = make("p.facts", {});
  #download = make("button.primary", { type: "button", id: "download" }, icon("down"), "Download");
  #remove = make("button.ghost.square", { type: "button", "aria-label": "Remove from this visit" },
    icon("bin"));
  #slot = make("div.slot", {});
  #text = make("p", {});
  #bar = make("div.progress", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0,
    "aria-valuemax": 100 }, make("span", {}));
  #buttons = make("div.row", {});
  #status = make("div.status", {}, make("div.status-text", {}, this.#text, this.#bar),
    this.#buttons);
  #viewer = new Viewer();
  #player = new Player();
  /** @type {Item | null} */ #item = null;
  #drawn = "";
  #buttonKey = "";

  /**
   * @param {HTMLElement} root @param {import("./work.js").Work} work
   * @param {{onFaces: (item: Item) => void, onDownload: (item: Item) => void}} actions
   */
  constructor(root, work, actions) {
    this.root = root;
    this.work = work;
    this.faces = new FaceList(work.settings, {
      onChange: actions.onFaces,
      onLook: (box) => {
        this.#viewer.zoom(box);
        this.#slot.scrollIntoView({ block: "nearest" });
      },
    });
    this.#download.addEventListener("click", () => this.#item && actions.onDownload(this.#item));
    this.#remove.addEventListener("click", () => {
      if (this.#item) work.remove(this.#item);
      this.focus();
    });
    root.append(
      make("div.stage-top", {}, make("div.titles", {}, this.#name, this.#facts),
        make("div.row", {}, this.#download, this.#remove)),
      this.#slot, this.#status, this.faces.element);
  }

  /** Put the keyboard where the image begins. */
  focus() {
    if (!this.root.hidden) this.#name.focus({ preventScroll: true });
  }

  /** @param {Item} item */
  show(item) {
    if (this.#item !== item) {
      this.#drawn = "";
      this.#viewer.zoom(null);
    }
    this.#item = item;
    this.#name.textContent = item.name;
    this.#facts.textContent = factsOf(item);
    this.#download.disabled = !item.answer && !item.clip;
    this.#draw(item);
    this.#tell(this.#statusOf(item));
    this.faces.show(item);
  }

  /** Bring the image up to date, if it changed. @param {Item} item */
  #draw(item) {
    const result = item.answer?.result.id ?? item.clip?.result_url ?? "";
    const drawn = `${item.key} ${result}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const part = item.kind === "clip" ? this.#player : this.#viewer;
    if (part.element.parentNode !== this.#slot) this.#slot.replaceChildren(part.element);
    if (item.kind === "clip") this.#player.set(item.local, result);
    else if (item.answer) this.#viewer.showBoth(item.answer);
    else this.#viewer.showBefore(item.local, item.name);
  }

  /** @param {Status} status */
  #tell({ text, part, tone = "", buttons = [] }) {
    this.#status.className = `status ${tone}`;
    this.#text.textContent = text;
    this.#bar.hidden = part === undefined;
    this.#bar.classList.toggle("unknown", part === null);
    if (part == null) this.#bar.removeAttribute("aria-valuenow");
    else this.#bar.setAttribute("aria-valuenow", String(Math.round(part * 100)));
    this.#bar.firstElementChild.style.transform = part == null ? "" : `scaleX(${part})`;
    const key = `${this.#item?.key} ${buttons.map(([name]) => name)}`;
    if (key === this.#buttonKey) return;
    this.#buttonKey = key;
    const hadFocus = this.#buttons.contains(document.activeElement);
    this.#buttons.replaceChildren(...buttons.map(([name, onclick, main]) =>
      make(main ? "button.primary" : "button.ghost", { type: "button", onclick }, name)));
    if (hadFocus) (this.#buttons.firstElementChild ?? this.#name).focus({ preventScroll: true });
  }

  /** @param {Item} item @returns {Status} */
  #statusOf(item) {
    const start = () => this.work.start(item);
    const cancel = /** @type {[string, () => void]} */ (["Cancel", () => this.work.cancel(item)]);
    if (item.state === "failed") {
      return { text: item.problem, tone: "bad", buttons: [["Try again", start]] };
    }
    if (item.state === "cancelled") return { text: "Cancelled.", buttons: [["Restore", start]] };
    if (item.state === "waiting") return this.#waiting();
    if (item.state === "done") return this.#done(item, start);
    return { ...progressOf(item), buttons: [cancel] };
  }

  /** Videos wait until they are started: they take minutes. @returns {Status} */
  #waiting() {
    const waiting = this.work.items.filter((one) => one.state === "waiting");
    const item = /** @type {Item} */ (this.#item);
    /** @type {[string, () => void, boolean?][]} */
    const buttons = [["Restore video", () => this.work.start(item), true]];
    if (waiting.length > 1) {
      buttons.unshift([`Restore all ${waiting.length} videos`,
        () => waiting.forEach((one) => this.work.start(one))]);
    }
    return { text: "Choose the settings, then start.", buttons };
  }

  /** @param {Item} item @param {() => void} start @returns {Status} */
  #done(item, start) {
    if (this.work.isStale(item)) {
      return { text: "Made with other settings.", buttons: [["Restore again", start, true]] };
    }
    if (item.kind === "clip") {
      const notes = item.clip?.notes.join(" ");
      return { text: notes || "Done. Play it, or switch to the original.", buttons: [["Restore again", start]] };
    }
    if (!item.answer?.faces.length) {
      return { text: "No face was found, so the photo is as it was.", tone: "note" };
    }
    return { text: "Drag across the image to compare." };
  }
}

/** Size, faces and time of what is done. @param {Item} item */
function factsOf(item) {
  if (item.answer) {
    const { source, result, seconds } = item.answer;
    const size = ({ width, height }) => `${width} × ${height}`;
    const same = size(source) === size(result);
    const spent = Object.values(seconds).reduce((sum, one) => sum + one, 0);
    return [same ? size(source) : `${size(source)} → ${size(result)}`, result.format,
      inBytes(result.bytes), inTime(spent)].join(" · ");
  }
  const result = item.clip?.result;
  if (!result) return inBytes(item.file.size);
  return [counted(result.frames, "frame"), counted(result.faces, "face"),
    counted(result.people, "person", "people"), inBytes(result.bytes)].join(" · ");
}

/** How far a photo or video under way is. @param {Item} item @returns {Status} */
export function progressOf(item) {
  if (item.state === "queued") return { text: "Waiting for its turn", part: null };
  if (item.silent) return { text: "The server does not answer; asking again", part: null };
  if (item.sent < 1 && !item.job) {
    const sending = item.sent > 0 && item.file.size > 1e6;
    return sending ? { text: `Sending, ${inPercent(item.sent)}`, part: item.sent }
      : { text: "Restoring", part: null };
  }
  const job = item.job;
  if (!job) return { text: "Restoring", part: null };
  if (job.state === "queued") {
    return { text: `Waiting: ${counted(job.position, "video")} before it`, part: null };
  }
  const text = [STAGES[job.stage] ?? job.stage];
  const part = job.total ? Math.min(1, job.done / job.total) : null;
  if (part !== null) text.push(inPercent(part));
  if (job.fps) text.push(`${job.fps.toFixed(1)} frames a second`);
  if (job.eta_s !== null) text.push(`${inTime(job.eta_s)} left`);
  return { text: text.join(" · "), part };
}
