// The people of a video, to choose from.

import { inPercent, inTime, make } from "./dom.js";
import { t } from "./texts.js";

/** @typedef {import("./items.js").Item} Item */

/** The list below a video. */
export class People {
  #list = make("ul.faces", { role: "list" });
  #help = make("p.help", {});
  #all = make("button.link", { type: "button" }, t("allPeople"));
  #shown = "";

  /** @param {(item: Item, people: number[] | null) => void} onChoose */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.element = make("section.people", { "aria-label": t("people"), hidden: true },
      make("div.people-top", {}, make("h2", {}, t("people")), this.#help, this.#all), this.#list);
  }

  /** @param {Item} item */
  show(item) {
    this.element.hidden = item.kind !== "clip" || !item.search;
    if (this.element.hidden) return;
    const { people, done, total } = item.search;
    const percent = inPercent(total ? done / total : 0);
    this.#help.textContent = !people ? t("peopleSearching", { percent })
      : people.length ? t("peopleHelp") : t("peopleNone");
    this.#all.hidden = !item.people;
    this.#all.onclick = () => this.onChoose(item, null);
    const key = `${item.key} ${people?.map((one) => one.track)}`;
    if (key !== this.#shown) {
      this.#shown = key;
      this.#list.replaceChildren(...(people ?? []).map((one) => this.#card(item, one)));
    }
    for (const card of this.#list.children) {
      const input = card.querySelector("input");
      input.checked = !item.people || item.people.includes(Number(input.value));
      card.classList.toggle("off", !input.checked);
    }
  }

  #card(item, { track, from_s: from, to_s: to, thumbnail }) {
    const name = t("person", { number: track, from: inTime(from), to: inTime(to) });
    const choose = () => {
      const all = item.search.people.map((one) => one.track);
      const on = [...this.#list.querySelectorAll("input:checked")].map((one) => Number(one.value));
      this.onChoose(item, on.length === all.length || !on.length ? null : on);
    };
    return make("li.face", {}, make("span.look", {}, thumbnail && make("img", { src: thumbnail, alt: "" })),
      make("label.face-body.top", {}, make("span", {}, name),
        make("input.switch", { type: "checkbox", role: "switch", value: track, onchange: choose })));
  }
}
