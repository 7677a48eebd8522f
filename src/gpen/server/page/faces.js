// The faces of a photo, each with a switch and a strength of its own.

import { counted, inPercent, make } from "./dom.js";
import { makeRange } from "./fields.js";

/**
 * @typedef {import("./work.js").Item} Item
 * @typedef {{onChange: (item: Item) => void, onLook: (box: number[]) => void}} Actions
 */

const LIKENESS = "How alike the face is before and after, by a network that tells people apart. "
  + "A very blurred face is like nobody's, so that a good result may differ from it, too.";
/** Below this, the network takes them for two people. */
const SAME_PERSON = 0.5;

/** @param {number} similarity From 0 to 1. */
const likenessOf = (similarity) => `Likeness ${inPercent(similarity)}`
  + (similarity < SAME_PERSON ? ": may look like somebody else" : "");

/** The list below the image. */
export class FaceList {
  #title = make("h2", {});
  #list = make("ul.faces", { role: "list" });
  #shown = "";

  /** @param {import("./settings.js").Settings} settings @param {Actions} actions */
  constructor(settings, actions) {
    this.settings = settings;
    this.actions = actions;
    this.element = make("section.people", { "aria-label": "Faces", hidden: true },
      make("div.people-top", {}, this.#title,
        make("p.help", {}, "Choose a face to look at it closely.")),
      this.#list);
  }

  /**
   * Show the faces of a photo. The same faces again keep their controls, so that a slider that is
   * being moved stays in hand.
   * @param {Item} item
   */
  show(item) {
    if (!item.answer) {
      this.#wait(item);
      return;
    }
    const { faces } = item.answer;
    this.element.hidden = !faces.length;
    const key = `${item.key}:${faces.map((one) => one.box_xyxy.join()).join(";")}`;
    this.#title.textContent = counted(faces.length, "face");
    if (key !== this.#shown) {
      this.#shown = key;
      this.#list.replaceChildren(...faces.map((face) => this.#card(item, face)));
    }
    faces.forEach((face, place) => this.#mark(item, face, this.#list.children[place]));
  }

  /** Keep the place of one face, so that nothing jumps when it comes. @param {Item} item */
  #wait({ kind, stop }) {
    this.element.hidden = kind === "clip" || !stop;
    this.#shown = "";
    this.#title.textContent = "Faces";
    this.#list.replaceChildren(make("li.face.coming", { "aria-hidden": "true" },
      make("span.look", {}), make("div.face-body", {}, make("span.bone", {}))));
  }

  /** @param {Item} item @param {import("./api.js").Face} face */
  #card(item, face) {
    const name = `Face ${face.number + 1}`;
    const choice = () => item.faces.get(face.number) ?? { on: true, own: null };
    const shown = make("output", {});
    const change = (changes) => {
      item.faces.set(face.number, { ...choice(), ...changes });
      this.#mark(item, face, card);
      this.actions.onChange(item);
    };
    const range = makeRange(choice().own ?? this.settings.get("blend"), {
      "aria-label": `${name}: strength`,
    }, (part) => change({ own: part }));
    const toggle = make("input.switch", {
      type: "checkbox", role: "switch", "aria-label": `${name}: restore`,
      onchange: () => change({ on: toggle.checked }),
    });
    const look = make("button.look", {
      type: "button", "aria-label": `${name}: look closely`,
      onclick: () => this.actions.onLook(face.box_xyxy),
    }, face.thumbnail ? make("img", { src: face.thumbnail, alt: "", width: 64, height: 64 })
      : String(face.number + 1));
    const card = make("li.face", {}, look,
      make("div.face-body", {},
        make("div.top", {}, make("span", {}, name), shown, toggle), range,
        make("p.help.likeness", { hidden: true, title: LIKENESS }),
        make("p.help.left-alone", { hidden: true }, "Left alone by the settings")));
    return card;
  }

  /** Bring a card up to date. @param {Item} item @param {any} face @param {Element} card */
  #mark(item, face, card) {
    const { on, own } = item.faces.get(face.number) ?? { on: true, own: null };
    const blend = own ?? Number(this.settings.get("blend"));
    const [toggle, range] = [".switch", "input[type=range]"].map((one) => card.querySelector(one));
    toggle.checked = on;
    range.disabled = !on;
    card.classList.toggle("off", !on);
    card.querySelector("output").textContent = on ? inPercent(blend) : "off";
    const likeness = card.querySelector(".likeness");
    likeness.hidden = !on || face.similarity === null;
    likeness.textContent = likenessOf(face.similarity ?? 1);
    card.querySelector(".left-alone").hidden = !on || face.restored || blend === 0;
    if (own === null && document.activeElement !== range) {
      range.value = String(Math.round(blend * 100));
      range.style.setProperty("--part", `${range.value}%`);
    }
  }
}
