// The settings beside the image: the main ones at once, the rest under "More".

import { make } from "./dom.js";
import { makeField } from "./fields.js";
import { groupName, t } from "./texts.js";

/** Groups that are shown at once; all others come under "More". */
const MAIN_GROUPS = ["Restoration", "Videos"];
/** Groups that only videos need. */
const VIDEO_GROUPS = ["Videos", "Video files"];

/** @typedef {import("./settings.js").Settings} Settings */

/**
 * Fill the panel.
 * @param {HTMLElement} panel @param {Settings} settings
 * @param {{onAddModel: () => void, buttons: HTMLElement[]}} actions
 */
export function renderPanel(panel, settings, actions) {
  const wasOpen = panel.querySelector("details.more")?.hasAttribute("open");
  const groups = groupsOf(settings);
  const field = (option) => fieldOf(option, settings);
  const main = groups.get(MAIN_GROUPS[0]) ?? [];
  const others = [...groups].filter(([title]) => title !== MAIN_GROUPS[0]);
  const group = ([title, options]) =>
    make(VIDEO_GROUPS.includes(title) ? "div.group.for-clip" : "div.group", {},
      make("h3", {}, groupName(title)), ...options.map(field));
  const reset = make("button.ghost", {
    type: "button", id: "reset", hidden: !settings.changed,
    onclick: () => {
      settings.reset();
      renderPanel(panel, settings, actions);
      panel.querySelector("select, input")?.focus();
    },
  }, t("reset"));
  panel.replaceChildren(
    make("div.panel-top", {}, make("h2", {}, t("settings")),
      make("div.row", {}, ...actions.buttons, reset)),
    modelField(settings, actions),
    ...main.map(field),
    ...others.filter(([title]) => MAIN_GROUPS.includes(title)).map(group),
    make("details.more", { open: wasOpen },
      make("summary", {}, t("more")),
      ...others.filter(([title]) => !MAIN_GROUPS.includes(title)).map(group),
      serverSide(settings)),
  );
}

/** What can be set, by the headings of the table; the model has a field of its own. */
function groupsOf(settings) {
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const option of settings.all) {
    if (!option.settable || option.name === "model") continue;
    if (!settings.hasVideo && VIDEO_GROUPS.includes(option.group)) continue;
    groups.set(option.group, [...(groups.get(option.group) ?? []), option]);
  }
  return groups;
}

function fieldOf(option, settings) {
  const field = option.name === "face_blend" ? note(option)
    : makeField(option, settings.get(option.name), (value) => settings.set(option.name, value));
  if (!option.for_videos && settings.photo.includes(option)) field.classList.add("for-photo");
  return field;
}

/** The strength of single faces is set where the faces are. */
function note(option) {
  return make("div.field.for-photo", { "data-setting": option.name },
    make("p.label", {}, option.label), make("p.help", {}, t("faceBlendElsewhere")));
}

/** The models that can be used, by name and size. */
function modelField(settings, { onAddModel }) {
  const { usable } = settings;
  const select = make("select", {
    id: "set-model", onchange: () => settings.set("model", select.value),
  }, ...usable.map((one) =>
    make("option", { value: one.name }, one.size ? `${one.name} (${one.size} px)` : one.name)));
  select.value = settings.get("model");
  return make("div.field", { "data-setting": "model" },
    make("div.top", {},
      make("label", { for: "set-model" }, t("model")),
      make("button.link", { type: "button", id: "add-model", onclick: onAddModel }, t("modelsMore"))),
    select);
}

/** What only the person who runs the server can set, together where the reason is the same. */
function serverSide(settings) {
  /** @type {Map<string, any[]>} */
  const fixed = new Map();
  for (const one of settings.all.filter((each) => !each.settable)) {
    fixed.set(one.reason, [...(fixed.get(one.reason) ?? []), one]);
  }
  return make("details.group", {},
    make("summary", {}, t("serverSide")),
    make("dl.fixed", {}, ...[...fixed].flatMap(([reason, options]) => [
      ...options.map((one) => make("dt", { "data-setting": one.name }, one.label)),
      make("dd", {}, `${reason[0].toUpperCase()}${reason.slice(1)}.`),
    ])));
}
