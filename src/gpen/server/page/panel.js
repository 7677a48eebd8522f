// The settings beside the image: the main ones at once, the rest under "More".

import { make } from "./dom.js";
import { makeField } from "./fields.js";
import { GROUPS, MAIN, MAIN_CLIP, wordsOf } from "./words.js";

/** @typedef {import("./settings.js").Settings} Settings */

/**
 * Fill the panel.
 * @param {HTMLElement} panel @param {Settings} settings
 * @param {{onAddModel: () => void}} actions
 */
export function renderPanel(panel, settings, actions) {
  const wasOpen = panel.querySelector("details.more")?.hasAttribute("open");
  const options = new Map(settings.all.map((one) => [one.name, one]));
  const field = (name) => fieldOf(options.get(name), settings);
  const main = MAIN.filter((name) => options.get(name)?.settable);
  const clip = settings.hasVideo ? MAIN_CLIP.filter((name) => options.get(name)?.settable) : [];
  const reset = make("button.ghost", {
    type: "button", id: "reset", hidden: !settings.changed,
    onclick: () => {
      settings.reset();
      renderPanel(panel, settings, actions);
      panel.querySelector("select, input")?.focus();
    },
  }, "Reset");
  panel.replaceChildren(
    make("div.panel-top", {}, make("h2", {}, "Settings"), reset),
    modelField(settings, actions),
    ...main.map(field),
    clip.length ? make("div.group", {}, make("h3", {}, "Videos"), ...clip.map(field)) : "",
    more(settings, [...main, ...clip], field, wasOpen),
  );
}

function fieldOf(option, settings) {
  if (option.name === "face_blend") return note(option);
  return makeField(option, settings.get(option.name), (value) => settings.set(option.name, value));
}

/** A setting that is reached elsewhere. */
function note(option) {
  const words = wordsOf(option);
  return make("div.field", { "data-setting": option.name },
    make("p.label", {}, words.label), make("p.help", {}, words.help ?? ""));
}

/** The models that can be used, by name and size. */
function modelField(settings, { onAddModel }) {
  const usable = settings.models.models.filter((one) => one.usable);
  const select = make("select", {
    id: "set-model", onchange: () => settings.set("model", select.value),
  }, ...usable.map((one) =>
    make("option", { value: one.name }, one.size ? `${one.name} (${one.size} px)` : one.name)));
  select.value = settings.get("model");
  return make("div.field", { "data-setting": "model" },
    make("div.top", {},
      make("label", { for: "set-model" }, "Model"),
      make("button.link", { type: "button", id: "add-model", onclick: onAddModel }, "Add one")),
    select);
}

/** Everything else, in groups; what no group names comes under "Others". */
function more(settings, shown, field, wasOpen) {
  const left = new Set(settings.all.filter((one) => one.settable).map((one) => one.name));
  for (const name of [...shown, "model"]) left.delete(name);
  const groups = GROUPS.map(([title, names]) => [title, names.filter((name) => left.delete(name))]);
  groups.push(["Others", [...left]]);
  if (!settings.hasVideo) groups.splice(groups.findIndex(([title]) => title === "Videos"), 1);
  return make("details.more", { open: wasOpen },
    make("summary", {}, "More"),
    ...groups.filter(([, names]) => names.length).map(([title, names]) =>
      make("div.group", {}, make("h3", {}, title), ...names.map(field))),
    serverSide(settings));
}

/** What only the person who runs the server can set, together where the reason is the same. */
function serverSide(settings) {
  /** @type {Map<string, any[]>} */
  const fixed = new Map();
  for (const one of settings.all.filter((each) => !each.settable)) {
    fixed.set(one.reason, [...(fixed.get(one.reason) ?? []), one]);
  }
  return make("details.group", {},
    make("summary", {}, "Set by whoever runs the server"),
    make("dl.fixed", {}, ...[...fixed].flatMap(([reason, options]) => [
      ...options.map((one) => make("dt", { "data-setting": one.name }, wordsOf(one).label)),
      make("dd", {}, `${reason[0].toUpperCase()}${reason.slice(1)}.`),
    ])));
}
