// The faces of a photo, each with a switch and a strength of its own.

import { inPercent, make } from "./dom.js";
import { makeRange } from "./fields.js";
import { t } from "./texts.js";

/**
 * @typedef {import("./items.js").Item} Item
 * @typedef {{onStep: (of: string) => void, onChange: (item: Item) => void,
 *   onLook: (box: number[]) => void, onMark: (number: number | null) => void}} Actions
 */

/** Below this, the network takes them for two people. */
const SAME_PERSON = 0.5;

/** @param {number} similarity From 0 to 1. */
const likenessOf = (similarity) =>
  t(similarity < SAME_PERSON ? "likenessLow" : "likeness", { percent: inPercent(similarity) });

/** The list below the image. */
export class FaceList {
  #title = make("h2", {});
  #list = make("ul.faces", { role: "list" });
  #shown = "";

  /** @param {import("./settings.js").Settings} settings @param {Actions} actions */
  constructor(settings, actions) {
    this.settings = settings;
    this.actions = actions;
    this.element = make("section.people", { "aria-label": t("faces"), hidden: true },
      make("div.people-top", {}, this.#title, make("p.help", {}, t("faceHelp"))),
      this.#list);
  }

  /**
   * Show the faces of a photo. The same faces again keep their controls, so that a slider that is
   * being moved stays in hand.
   * @param {Item} item
   */
  show(item) {
    if (!item.photo) {
      this.#wait(item);
      return;
    }
    const { faces } = item.photo;
    this.element.hidden = !faces.length;
    const key = `${item.key}:${item.photo.id}`;
    this.#title.textContent = t("nFaces", { n: faces.length });
    if (key !== this.#shown) {
      this.#shown = key;
      this.#list.replaceChildren(...faces.map((face) => this.#card(item, face)));
    }
    faces.forEach((face, place) => this.#mark(item, face.number, this.#list.children[place]));
  }

  /** Go to the controls of a face. @param {number} number */
  open(number) {
    const card = this.#list.children[number];
    card?.scrollIntoView({ block: "nearest" });
    card?.querySelector("input[type=range]")?.focus({ preventScroll: true });
  }

  /** Keep the place of one face, so that nothing jumps when it comes. @param {Item} item */
  #wait({ kind, stop }) {
    this.element.hidden = kind === "clip" || !stop;
    this.#shown = "";
    this.#title.textContent = t("faces");
    this.#list.replaceChildren(make("li.face.coming", { "aria-hidden": "true" },
      make("span.look", {}), make("div.face-body", {}, make("span.bone", {}))));
  }

  /** @param {Item} item @param {import("./api.js").Face} face */
  #card(item, face) {
    const number = face.number + 1;
    const choice = () => item.faces.get(face.number) ?? { on: true, own: null };
    const shown = make("output", {});
    const change = (changes) => {
      this.actions.onStep(`face ${item.key} ${number}`);
      item.faces.set(face.number, { ...choice(), ...changes });
      this.#mark(item, face.number, card);
      this.actions.onChange(item);
    };
    const range = makeRange(choice().own ?? this.settings.get("blend"), {
      "aria-label": t("faceStrength", { number }),
    }, (part) => change({ own: part }));
    const toggle = make("input.switch", {
      type: "checkbox", role: "switch", "aria-label": t("faceRestore", { number }),
      onchange: () => change({ on: toggle.checked }),
    });
    const look = make("button.look", {
      type: "button", "aria-label": t("faceLook", { number }),
      onclick: () => this.actions.onLook(face.box_xyxy),
    }, face.thumbnail ? make("img", { src: face.thumbnail, alt: "", width: 64, height: 64 })
      : String(face.number + 1));
    const mark = (at) => () => this.actions.onMark(at);
    const card = make("li.face", { onpointerenter: mark(face.number), onpointerleave: mark(null),
      onfocusin: mark(face.number), onfocusout: mark(null) }, look,
      make("div.face-body", {},
        make("div.top", {}, make("span", {}, t("face", { number })), shown, toggle), range,
        make("p.help.likeness", { hidden: true, title: t("likenessHelp") }),
        make("p.help.left-alone", { hidden: true }, t("leftAlone"))));
    return card;
  }

  /** Bring a card up to date. @param {Item} item @param {number} number @param {any} card */
  #mark(item, number, card) {
    const face = item.answer?.faces[number];
    const { on, own } = item.faces.get(number) ?? { on: true, own: null };
    const blend = own ?? Number(this.settings.get("blend"));
    const [toggle, range] = [".switch", "input[type=range]"].map((one) => card.querySelector(one));
    toggle.checked = on;
    range.disabled = !on;
    card.classList.toggle("off", !on);
    card.querySelector("output").textContent = on ? inPercent(blend) : t("off");
    const likeness = card.querySelector(".likeness");
    likeness.hidden = !on || face?.similarity == null;
    likeness.textContent = likenessOf(face?.similarity ?? 1);
    card.querySelector(".left-alone").hidden = !on || !face || face.restored || blend === 0;
    if (own === null && document.activeElement !== range) {
      range.value = String(Math.round(blend * 100));
      range.style.setProperty("--part", `${range.value}%`);
    }
  }
}
