// Puts the parts together.

import { onTokenWanted, pause, takeToken } from "./api.js";
import { mayNotify, notify, showTitle } from "./attention.js";
import { alertUser, byId, icon, inBytes, inPercent, make, note, say } from "./dom.js";
import { History } from "./history.js";
import { takeFiles } from "./intake.js";
import { renderPanel } from "./panel.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";
import { progressOf } from "./status.js";
import { loadTexts, t } from "./texts.js";
import { Visit } from "./visit.js";
import { Work } from "./work.js";

/** @typedef {import("./items.js").Item} Item */

/** Milliseconds without another change after which the faces are told anew; the image is at once. */
const SETTLED_MS = 450;
/** Milliseconds between two looks whether a silent server is back. */
const ASK_MS = 3000;

const settings = new Settings();
const work = new Work(settings);
/** Parts of the page that are fetched when they are needed first. */
const output = () => import("./output.js");
const models = () => import("./models.js");
/** @type {Stage} */ let stage;
/** @type {Visit} */ let visit;
/** @type {ReturnType<typeof setTimeout> | undefined} */ let soon;

const steps = new History(
  () => ({ chosen: settings.chosen, faces: new Map(work.items.map((one) => [one, new Map(one.faces)])) }),
  ({ chosen, faces }) => {
    for (const [item, choices] of faces) item.faces = new Map(choices);
    settings.chosen = chosen;
    drawPanel();
  });
settings.onStep = (name) => steps.step(name);
const undo = make("button.ghost.square", { type: "button", id: "undo" }, icon("undo"));
const redo = make("button.ghost.square", { type: "button", id: "redo" }, icon("redo"));

/** Show the image with the settings of now, and restore it again once they rest. */
function settingsChanged() {
  const item = work.shown;
  if (item) stage.show(item);
  visit.totals();
  clearTimeout(soon);
  soon = setTimeout(() => {
    if (item && item === work.shown && work.isStale(item)) work.start(item);
  }, SETTLED_MS);
}

/** Show the chosen item, or the welcome while there is none. */
function showList() {
  const item = work.shown;
  const wasEmpty = byId("stage").hidden;
  byId("welcome").hidden = Boolean(item);
  for (const id of ["stage", "panel"]) byId(id).hidden = !item;
  document.body.classList.toggle("busy", Boolean(item));
  visit.list();
  showTitle(work.items);
  if (!item) return;
  byId("panel").dataset.kind = item === work.selected ? item.kind : "photo";
  stage.show(item);
  if (wasEmpty) stage.focus();
}

/** @param {Item} item */
function showItem(item) {
  visit.mark(item);
  showTitle(work.items);
  if (item === work.selected) showList(); // a frame of it may come or go
  else if (item === work.shown) stage.show(item);
  announce(item);
}

/** Tell what a screen does not read by itself. @param {Item} item */
function announce(item) {
  const { name, state, problem } = item;
  if (state === "done" && !item.stop) {
    const n = item.photo?.faces.length;
    const text = n === undefined ? t("sayDone", { name }) : t("sayDoneFaces", { name, n });
    if (item.kind === "clip" && item.made) notify(text);
    say(text);
    alertUser("");
  } else if (state === "failed" || state === "expired") {
    const text = t("sayFailed", { name, problem });
    if (item.kind === "clip") notify(text);
    say(text);
    if (problem === t("noAnswer")) {
      alertUser(problem);
      keepAsking();
    }
  } else if (item.job?.total && item.stop) {
    const { part } = progressOf(item); // in steps: each frame would be a flood
    say(`${name}: ${inPercent(Math.floor((part ?? 0) * 10) / 10)}`);
  }
}

let asks = false;

/** Ask until the server answers; then start again what failed for that. */
async function keepAsking() {
  if (asks) return;
  asks = true;
  do await pause(ASK_MS); while (!(await fetch("/healthz").then(({ ok }) => ok, () => false)));
  asks = false;
  alertUser("");
  for (const one of work.items) {
    if (one.state === "failed" && one.problem === t("noAnswer")) work.start(one);
  }
}

/**
 * Do something that may fail, and say where one looks.
 * @param {Item} item @param {(parts: any) => Promise<any>} act @param {string} [done] What to say then.
 */
async function attempt(item, act, done = "") {
  note(t("saving"));
  try {
    await act(await output());
    note(done);
  } catch (error) {
    note("");
    if (error.name === "AbortError") return;
    const gone = error.status === 404 || error.status === 410;
    if (gone) work.change(item, { state: "expired", status: 404, problem: t("expired", { name: item.name }) });
    else alertUser(error.message);
  }
}

const actions = {
  onStep: (of) => steps.step(of),
  onFaces: () => settingsChanged(),
  onDownload: (item) => attempt(item, ({ saveClip, savePhoto }) =>
    (item.kind === "clip" ? saveClip(item) : savePhoto(item, settings))),
  onCopy: (item) => attempt(item, ({ copyPhoto }) => copyPhoto(item, settings), t("copied")),
  onShare: (item) => attempt(item, ({ sharePhoto }) => sharePhoto(item, settings)),
  onPair: (item) => attempt(item, ({ savePair }) => savePair(item, settings)),
  onRemove: (item) => remove(item),
};

/** Photos come in one file, videos one by one. */
async function onDownloadAll() {
  const photos = work.items.filter((one) => one.answer && one.state === "done");
  if (photos.length) await attempt(photos[0], ({ saveAll }) => saveAll(photos, settings));
  for (const one of work.items) if (one.made) await attempt(one, ({ saveClip }) => saveClip(one));
}

/** Take items away; for some seconds they can be brought back. @param {Item[]} gone */
function remove(...gone) {
  const before = [...work.items];
  work.remove(...gone);
  note(t("removed", { n: gone.length }), {
    button: t("undo"),
    onClick: () => work.putBack([...before, ...work.items.filter((one) => !before.includes(one))]),
    onGone: () => work.bury(...gone),
  });
  if (work.items.length) stage.focus();
  else byId("choose").focus();
}

function drawPanel() {
  renderPanel(byId("panel"), settings, {
    onAddModel: async () => (await models()).showModels(settings, drawPanel), buttons: [undo, redo],
  });
  stage.viewer.setModels(settings.usable);
  stage.viewer.defaultModel = settings.models.default;
}

function showLimits() {
  const { photo_bytes: photo, video_bytes: clip } = settings.limits;
  const clips = settings.hasVideo ? t("formatsClips", { clip: inBytes(clip) }) : "";
  const formats = settings.formats.join(", ").toUpperCase();
  byId("formats").textContent = t("formats", { formats, photo: inBytes(photo), clips });
  if (!settings.hasVideo) byId("lead").textContent = t("leadPhotos");
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  byId("private").textContent = t(local ? "local" : "remote", { host: location.host });
}

function listenForTheme() {
  const root = document.documentElement;
  const button = byId("theme");
  const dark = () => (root.dataset.theme
    ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () => button.setAttribute("aria-label", t(dark() ? "light" : "dark"));
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try {
      localStorage.setItem("gpen.theme", root.dataset.theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
    label();
  });
  label();
}

function listenForSteps() {
  const draw = () => {
    for (const [button, name, can] of [[undo, "undo", steps.canUndo], [redo, "redo", steps.canRedo]]) {
      button.disabled = !can;
      button.title = t(name);
      button.setAttribute("aria-label", t(name));
    }
  };
  undo.addEventListener("click", () => steps.undo());
  redo.addEventListener("click", () => steps.redo());
  steps.addEventListener("change", draw);
  addEventListener("keydown", (event) => {
    const types = event.target instanceof Element && event.target.matches("input[type=text], input[type=number]");
    if (!(event.ctrlKey || event.metaKey) || types || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) steps.undo();
    else if (key === "y" || key === "z") steps.redo();
    else return;
    event.preventDefault();
  });
  draw();
}

async function trySample() {
  const blob = await (await fetch(new URL("sample.jpg", import.meta.url))).blob();
  work.add([new File([blob], "sample.jpg", { type: "image/jpeg" })]);
}

async function begin() {
  await loadTexts();
  stage = new Stage(byId("stage"), work, actions);
  const choose = takeFiles((files) => work.add(files));
  visit = new Visit(byId("visit"), work, {
    onAdd: () => choose(), onDownloadAll, onClear: () => remove(...work.items),
  });
  listenForTheme();
  listenForSteps();
  takeToken();
  onTokenWanted(async (again) => (await import("./dialogs.js")).askToken(again));
  byId("choose").addEventListener("click", () => choose());
  byId("sample").addEventListener("click", () => trySample());
  byId("alert").querySelector("button").addEventListener("click", () => alertUser(""));
  work.addEventListener("list", showList);
  work.addEventListener("item", (event) => showItem(/** @type {CustomEvent} */ (event).detail));
  byId("stage").addEventListener("click", (event) => {
    if (event.target.closest(".status") && work.selected?.kind === "clip") mayNotify();
  });
  addEventListener("beforeunload", (event) => {
    // A job goes on without the page, and is found again; what is being sent is lost.
    if (work.items.some((one) => one.stop && !one.photo && !one.clip)) event.preventDefault();
  });
  settings.addEventListener("change", () => {
    byId("reset").hidden = !settings.changed;
    settingsChanged();
  });
  try {
    await settings.load();
    drawPanel();
    showLimits();
    document.body.classList.add("ready");
    const expired = await work.recall();
    if (expired) note(t("expiredVisit", { n: expired }));
  } catch (error) {
    alertUser(error.message);
  }
}

begin();
