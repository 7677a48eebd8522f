// One control per setting, chosen by its type.

import { inPercent, make } from "./dom.js";

/**
 * An entry of /v1/settings.
 * @typedef {{name: string, type: string, default: any, label: string, help: string, group: string,
 *   choices: any[] | null, names: Record<string, string>, minimum: number | null,
 *   maximum: number | null, step: number | null, unit: string, ends: [string, string] | null,
 *   empty: string, nullable: boolean, settable: boolean, reason: string,
 *   for_videos: boolean}} Option
 */

/**
 * The control of a setting with its label and help.
 * @param {Option} option
 * @param {string} value As sent to the server; "" is the nullable nothing.
 * @param {(value: string) => void} onChange
 * @returns {HTMLElement}
 */
export function makeField(option, value, onChange) {
  const id = `set-${option.name}`;
  const build =
    option.type === "boolean" ? makeSwitch
    : option.type === "choices" ? makeChips
    : option.type === "choice" ? (segmented(option) ? makeSegments : makeSelect)
    : isPart(option) ? makeSlider
    : makeInput;
  const field = build({ option, id, value, onChange });
  field.dataset.setting = option.name;
  return field;
}

/** A number from 0 to 1 is a slider. @param {Option} option */
const isPart = ({ type, minimum, maximum }) => type === "number" && minimum === 0 && maximum === 1;

/** @param {Option} option */
const segmented = ({ choices, nullable }) => !nullable && (choices ?? []).length <= 3;

const helpOf = (id, option) => make("p.help", { id: `${id}-help` }, option.help);

function makeSwitch({ option, id, value, onChange }) {
  const input = make("input.switch", {
    type: "checkbox", role: "switch", id, "aria-describedby": `${id}-help`,
    onchange: () => onChange(String(input.checked)),
  });
  input.checked = value === "true";
  return make("div.field.flat", {},
    make("div", {}, make("label", { for: id }, option.label), helpOf(id, option)), input);
}

function makeSlider({ option, id, value, onChange }) {
  const shown = make("output", { for: id }, inPercent(Number(value)));
  const input = makeRange(value, {
    id, step: (option.step ?? 0.05) * 100, "aria-describedby": `${id}-help`,
  }, (part) => {
    shown.textContent = inPercent(part);
    onChange(String(part));
  });
  return make("div.field", {},
    make("div.top", {}, make("label", { for: id }, option.label), shown),
    input,
    option.ends && make("div.ends", { "aria-hidden": "true" },
      make("span", {}, option.ends[0]), make("span", {}, option.ends[1])),
    make(option.ends ? "p.help.unseen" : "p.help", { id: `${id}-help` }, option.help));
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

function makeSegments({ option, id, value, onChange }) {
  const buttons = option.choices.map((choice) => {
    const input = make("input.unseen", {
      type: "radio", name: id, value: choice, onchange: () => onChange(String(choice)),
    });
    input.checked = String(choice) === value;
    return make("label", {}, input, make("span", {}, option.names[choice]));
  });
  return make("fieldset.field", { "aria-describedby": `${id}-help` },
    make("legend", {}, option.label), make("div.segments", {}, ...buttons), helpOf(id, option));
}

function makeChips({ option, id, value, onChange }) {
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
    return make("label.chip", {}, input, make("span", {}, option.names[choice]));
  });
  return make("fieldset.field", { "aria-describedby": `${id}-help` },
    make("legend", {}, option.label), make("div.chips", {}, ...chips), helpOf(id, option));
}

function makeSelect({ option, id, value, onChange }) {
  const choices = option.choices.map((choice) =>
    make("option", { value: choice }, option.names[choice]));
  if (option.nullable) choices.unshift(make("option", { value: "" }, option.empty));
  const select = make("select", {
    id, "aria-describedby": `${id}-help`, onchange: () => onChange(select.value),
  }, ...choices);
  select.value = value;
  return make("div.field", {},
    make("label", { for: id }, option.label), select, helpOf(id, option));
}

function makeInput({ option, id, value, onChange }) {
  const number = option.type !== "string";
  const input = make("input", {
    id, type: number ? "number" : "text", placeholder: option.empty, spellcheck: "false",
    autocomplete: "off", min: option.minimum, max: option.maximum,
    step: number && (option.type === "integer" ? 1 : "any"),
    "aria-describedby": `${id}-help`,
    onchange: () => {
      if (!input.checkValidity()) return input.reportValidity();
      return onChange(input.value.trim() || (option.nullable ? "" : String(option.default)));
    },
  });
  input.value = value;
  return make("div.field.flat", {},
    make("div", {}, make("label", { for: id }, option.label), helpOf(id, option)),
    make("span.with-unit", {}, input, option.unit && make("span", {}, option.unit)));
}
