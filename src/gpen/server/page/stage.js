// The image in the middle: its name, what is being done with it, its faces.

import { icon, make } from "./dom.js";
import { FaceList } from "./faces.js";
import { photoValues } from "./items.js";
import { factsOf, statusOf } from "./status.js";
import { t } from "./texts.js";
import { Viewer } from "./viewer.js";

/** @typedef {import("./items.js").Item} Item */

/** Milliseconds of work beside an old result before anything is said of it. */
const PATIENT_MS = 400;

/** Shows one item of the visit at a time. */
export class Stage {
  #name = make("h1.name", { tabindex: "-1" });
  #facts = make("p.facts", {});
  #back = make("button.ghost", { type: "button", hidden: true }, t("backToVideo"));
  #download = make("button.primary", { type: "button", id: "download" }, icon("down"), t("download"));
  #extras = make("div.row.extras", {});
  #slot = make("div.slot", {});
  #text = make("p", {});
  #bar = make("div.progress", { role: "progressbar", "aria-label": t("restoring"), "aria-valuemin": 0,
    "aria-valuemax": 100 }, make("span", {}));
  #buttons = make("div.row", {});
  #status = make("div.status", {}, make("div.status-text", {}, this.#text, this.#bar),
    this.#buttons);
  viewer;
  /** Fetched when the first video is shown. @type {import("./player.js").Player | null} */ #player = null;
  /** @type {import("./people.js").People | null} */ #people = null;
  /** @type {Item | null} */ #item = null;
  #drawn = "";
  #buttonKey = "";

  /**
   * @param {HTMLElement} root @param {import("./work.js").Work} work
   * @param {{onStep: (of: string) => void, onFaces: (item: Item) => void,
   *   onDownload: (item: Item) => void, onCopy: (item: Item) => void,
   *   onShare: (item: Item) => void, onPair: (item: Item) => void,
   *   onRemove: (item: Item) => void}} actions
   */
  constructor(root, work, actions) {
    this.root = root;
    this.work = work;
    this.viewer = new Viewer({
      onFace: (number) => this.faces.open(number),
      onError: (error) => this.#item && this.#viewFailed(this.#item, error),
    });
    this.faces = new FaceList(work.settings, {
      onStep: actions.onStep,
      onChange: actions.onFaces,
      onMark: (number) => this.viewer.mark(number),
      onLook: (box) => {
        this.viewer.lookAt(box);
        this.#slot.scrollIntoView({ block: "nearest" });
      },
    });
    this.#download.addEventListener("click", () => this.#item && actions.onDownload(this.#item));
    this.#back.addEventListener("click", () => {
      const item = work.selected;
      if (item?.trial) work.bury(item.trial);
      if (item) work.change(item, { trial: null });
    });
    const extra = (name, shape, act) => make("button.ghost.square", { type: "button",
      "aria-label": t(name), title: t(name), "data-act": name,
      onclick: () => this.#item && act(this.#item) }, icon(shape));
    this.#extras.append(extra("copy", "copy", actions.onCopy), extra("pair", "pair", actions.onPair),
      "canShare" in navigator ? extra("share", "share", actions.onShare) : "",
      extra("remove", "bin", actions.onRemove));
    root.append(
      make("div.stage-top", {}, make("div.titles", {}, this.#name, this.#facts),
        make("div.row", {}, this.#back, this.#download, this.#extras)),
      this.#slot, this.viewer.tools, this.#status, this.faces.element);
  }

  /** Put the keyboard where the image begins. */
  focus() {
    if (!this.root.hidden) this.#name.focus({ preventScroll: true });
  }

  /** @param {Item} item */
  show(item) {
    if (this.#item !== item) {
      this.#drawn = "";
      this.#player?.rest();
    }
    this.#item = item;
    this.root.dataset.kind = item.kind;
    this.#name.textContent = item.name;
    this.#facts.textContent = factsOf(item);
    const isTrial = item === this.work.selected?.trial;
    this.#back.hidden = !isTrial;
    const ready = item.kind === "clip" ? Boolean(item.made) : Boolean(item.answer);
    this.#download.disabled = !ready || item.state === "failed";
    for (const one of this.#extras.children) {
      const keep = one.dataset.act === "remove";
      one.hidden = keep ? isTrial : item.kind === "clip";
      one.disabled = !keep && this.#download.disabled;
    }
    this.#draw(item);
    this.#tellSoon(item);
    if (item.kind === "photo") this.faces.show(item);
    else this.faces.element.hidden = true;
    this.#people?.show(item);
  }

  /** Fetch what only videos need. */
  async #loadFilms() {
    const [{ Player }, { People }] = await Promise.all([import("./player.js"), import("./people.js")]);
    if (this.#player) return;
    this.#player = new Player();
    this.#people = new People((item, people) => this.work.change(item, { people }));
    this.root.append(this.#people.element);
    if (this.#item) this.show(this.#item);
  }

  /** Bring the image up to date, if it changed. @param {Item} item */
  #draw(item) {
    const isClip = item.kind === "clip";
    if (isClip && !this.#player) {
      this.viewer.tools.hidden = true;
      this.#slot.replaceChildren();
      this.#loadFilms();
      return;
    }
    const values = isClip ? {} : photoValues(item, this.work.settings);
    const result = item.part ?? item.made;
    const shown = isClip ? `${item.local} ${result && (item.part?.job.id ?? item.made?.id)}`
      : item.answer && item.state !== "failed" ? JSON.stringify([item.photo?.url, values])
        : `local ${item.photo?.url}`;
    const drawn = `${item.key} ${shown}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const player = /** @type {import("./player.js").Player} */ (this.#player);
    const part = isClip ? player : this.viewer;
    if (part.element.parentNode !== this.#slot) this.#slot.replaceChildren(part.element);
    this.viewer.tools.hidden = isClip;
    const local = item.local || item.clip?.source_url || "";
    if (isClip && item.part) player.set(local, item.part.job.result_url ?? "", item.part.at);
    else if (isClip) player.set(local, item.made?.result_url ?? "", startOf(item));
    else if (item.answer && item.state !== "failed") this.viewer.show(item, values);
    else if (!item.answer) this.viewer.showLocal(item);
  }

  /** The part that was to be seen could not be made. @param {Item} item @param {any} error */
  #viewFailed(item, error) {
    if (item.stop || item.kind === "clip") return; // restoring says it, too
    const expired = error.status === 404;
    this.work.change(item, { state: expired ? "expired" : "failed", status: error.status,
      problem: expired ? t("expired", { name: item.name }) : error.message });
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */ #soon;

  /** Work that takes a moment beside an old result is not worth a flicker. @param {Item} item */
  #tellSoon(item) {
    clearTimeout(this.#soon);
    const tell = () => this.#tell(statusOf(item, this.work, () => this.#player?.at ?? 0));
    if (item.quiet && item.stop) this.#soon = setTimeout(tell, PATIENT_MS);
    else tell();
  }

  /** @param {import("./status.js").Status} status */
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
}

/** Where a restored video begins in the original, in seconds. @param {Item} item */
const startOf = ({ made, madeWith }) => (made && madeWith ? Number(JSON.parse(madeWith).start_s ?? 0) : 0);
