// One control per setting, chosen by its type.

import { inPercent, make } from "./dom.js";
import { wordsOf } from "./words.js";

/**
 * @typedef {{name: string, type: string, default: any, help: string, choices: any[] | null,
 *   minimum: number | null, maximum: number | null, nullable: boolean, settable: boolean,
 *   reason: string, for_clips?: boolean}} Option
 */

/**
 * The control of a setting with its label and help.
 * @param {Option} option
 * @param {string} value As sent to the server; "" is the nullable nothing.
 * @param {(value: string) => void} onChange
 * @returns {HTMLElement}
 */
export function makeField(option, value, onChange) {
  const words = wordsOf(option);
  const id = `set-${option.name}`;
  const build =
    option.type === "boolean" ? makeSwitch
    : option.type === "choices" ? makeChips
    : option.type === "choice" ? (segmented(option) ? makeSegments : makeSelect)
    : isPart(option) ? makeSlider
    : makeInput;
  const field = build({ option, words, id, value, onChange });
  field.dataset.setting = option.name;
  return field;
}

/** A number from 0 to 1 is a slider. @param {Option} option */
const isPart = ({ type, minimum, maximum }) => type === "number" && minimum === 0 && maximum === 1;

/** @param {Option} option */
const segmented = ({ choices, nullable }) => !nullable && (choices ?? []).length <= 3;

const helpOf = (id, words) => words.help && make("p.help", { id: `${id}-help` }, words.help);
const describedBy = (id, words) => (words.help ? `${id}-help` : null);

function makeSwitch({ words, id, value, onChange }) {
  const input = make("input.switch", {
    type: "checkbox", role: "switch", id, "aria-describedby": describedBy(id, words),
    onchange: () => onChange(String(input.checked)),
  });
  input.checked = value === "true";
  return make("div.field.flat", {},
    make("div", {}, make("label", { for: id }, words.label), helpOf(id, words)), input);
}

function makeSlider({ words, id, value, onChange }) {
  const shown = make("output", { for: id }, inPercent(Number(value)));
  const input = makeRange(value, {
    id, "aria-describedby": describedBy(id, words),
  }, (part) => {
    shown.textContent = inPercent(part);
    onChange(String(part));
  });
  return make("div.field", {},
    make("div.top", {}, make("label", { for: id }, words.label), shown),
    input,
    words.ends && make("div.ends", { "aria-hidden": "true" },
      make("span", {}, words.ends[0]), make("span", {}, words.ends[1])),
    words.help && make(words.ends ? "p.help.unseen" : "p.help", { id: `${id}-help` }, words.help));
}

/**
 * A slider from 0 to 1 whose filled part is drawn.
 * @param {string | number} value @param {Record<string, any>} attributes
 * @param {(part: number) => void} onInput
 */
export function makeRange(value, attributes, onInput) {
  const input = make("input", {
    type: "range", min: 0, max: 100, step: 5, ...attributes,
    oninput: () => {
      draw();
      onInput(Number(input.value) / 100);
    },
  });
  const draw = () => {
    input.style.setProperty("--part", `${input.value}%`);
    input.setAttribute("aria-valuetext", `${input.value} %`);
  };
  input.value = String(Math.round(Number(value) * 100));
  draw();
  return input;
}

function makeSegments({ option, words, id, value, onChange }) {
  const buttons = option.choices.map((choice) => {
    const input = make("input.unseen", {
      type: "radio", name: id, value: choice, onchange: () => onChange(String(choice)),
    });
    input.checked = String(choice) === value;
    return make("label", {}, input, make("span", {}, words.names?.[choice] ?? choice));
  });
  return make("fieldset.field", { "aria-describedby": describedBy(id, words) },
    make("legend", {}, words.label), make("div.segments", {}, ...buttons), helpOf(id, words));
}

function makeChips({ option, words, id, value, onChange }) {
  const on = new Set(value.split(",").filter(Boolean));
  const chips = option.choices.map((choice) => {
    const input = make("input.unseen", {
      type: "checkbox", value: choice,
      onchange: () => {
        if (input.checked) on.add(choice);
        else on.delete(choice);
        onChange(option.choices.filter((one) => on.has(one)).join(","));
      },
    });
    input.checked = on.has(choice);
    return make("label.chip", {}, input, make("span", {}, words.names?.[choice] ?? choice));
  });
  return make("fieldset.field", { "aria-describedby": describedBy(id, words) },
    make("legend", {}, words.label), make("div.chips", {}, ...chips), helpOf(id, words));
}

function makeSelect({ option, words, id, value, onChange }) {
  const choices = option.choices.map((choice) =>
    make("option", { value: choice }, words.names?.[choice] ?? choice));
  if (option.nullable) choices.unshift(make("option", { value: "" }, words.empty ?? "Automatic"));
  const select = make("select", {
    id, "aria-describedby": describedBy(id, words), onchange: () => onChange(select.value),
  }, ...choices);
  select.value = value;
  return make("div.field", {},
    make("label", { for: id }, words.label), select, helpOf(id, words));
}

function makeInput({ option, words, id, value, onChange }) {
  const number = option.type !== "string";
  const input = make("input", {
    id, type: number ? "number" : "text", placeholder: words.empty, spellcheck: "false",
    autocomplete: "off", min: option.minimum, max: option.maximum,
    step: number && (option.type === "integer" ? 1 : "any"),
    "aria-describedby": describedBy(id, words),
    onchange: () => {
      if (!input.checkValidity()) return input.reportValidity();
      return onChange(input.value.trim() || (option.nullable ? "" : String(option.default)));
    },
  });
  input.value = value;
  return make("div.field.flat", {},
    make("div", {}, make("label", { for: id }, words.label), helpOf(id, words)),
    make("span.with-unit", {}, input, words.unit && make("span", {}, words.unit)));
}
