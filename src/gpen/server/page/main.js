// Puts the parts together.

import { NO_ANSWER, download, onTokenWanted, takeToken } from "./api.js";
import { askToken, showModels } from "./dialogs.js";
import { alertUser, byId, counted, inBytes, inPercent, say } from "./dom.js";
import { takeFiles } from "./intake.js";
import { renderPanel } from "./panel.js";
import { Settings } from "./settings.js";
import { Stage, progressOf } from "./stage.js";
import { Visit } from "./visit.js";
import { Work } from "./work.js";

/** Milliseconds without another change after which a photo is restored again. */
const SETTLED_MS = 450;

const settings = new Settings();
const work = new Work(settings);
const choose = takeFiles((files) => work.add(files));
const stage = new Stage(byId("stage"), work, { onFaces: (item) => againSoon(item), onDownload });
const visit = new Visit(byId("visit"), work, {
  onAdd: () => choose(), onDownloadAll, onEmpty: () => byId("choose").focus(),
});
/** @type {ReturnType<typeof setTimeout> | undefined} */
let soon;

/** Restore a photo again once its settings rest. @param {import("./work.js").Item | null} item */
function againSoon(item) {
  clearTimeout(soon);
  if (!item || item.kind !== "photo") return;
  soon = setTimeout(() => {
    if (work.items.includes(item) && (item.stop || work.isStale(item))) work.start(item);
  }, SETTLED_MS);
}

/** Show the chosen item, or the welcome while there is none. */
function showList() {
  const item = work.selected;
  const wasEmpty = byId("stage").hidden;
  byId("welcome").hidden = Boolean(item);
  byId("stage").hidden = !item;
  document.body.classList.toggle("busy", Boolean(item));
  visit.list();
  if (!item) return;
  stage.show(item);
  if (wasEmpty) stage.focus();
}

/** @param {import("./work.js").Item} item */
function showItem(item) {
  visit.mark(item);
  if (item === work.selected) stage.show(item);
  announce(item);
}

/** Tell what a screen does not read by itself. @param {import("./work.js").Item} item */
function announce(item) {
  if (item.state === "done") {
    const faces = item.answer ? `, ${counted(item.answer.faces.length, "face")}` : "";
    say(`${item.name} is restored${faces}.`);
  } else if (item.state === "failed") {
    say(`${item.name} failed: ${item.problem}`);
    if (item.problem === NO_ANSWER) alertUser(NO_ANSWER);
  } else if (item.job?.total && item.stop) {
    const { part } = progressOf(item); // in steps: each frame would be a flood
    say(`${item.name}: ${inPercent(Math.floor((part ?? 0) * 10) / 10)}`);
  }
  if (item.state === "done") alertUser("");
}

/** @param {import("./work.js").Item} item */
async function onDownload({ answer, clip }) {
  if (answer) await save(answer.result.url, answer.result.name);
  else if (clip?.result_url) await save(clip.result_url, clip.result.name, true);
}

/** Photos come in one file, videos one by one. */
async function onDownloadAll() {
  const ids = work.items.flatMap((one) => (one.answer ? [one.answer.result.id] : []));
  if (ids.length) await save(`/v1/results.zip?${ids.map((id) => `id=${id}`).join("&")}`, "gpen.zip");
  for (const one of work.items) if (one.clip) await onDownload(one);
}

/** @param {string} url @param {string} name @param {boolean} [isClip] */
const save = (url, name, isClip) =>
  download(url, name, isClip).catch((error) => alertUser(error.message));

function drawPanel() {
  renderPanel(byId("panel"), settings, { onAddModel: () => showModels(settings, drawPanel) });
}

function showLimits() {
  const { photo_bytes: photo, video_bytes: clip } = settings.limits;
  const clips = settings.hasVideo ? `, videos to ${inBytes(clip)}` : "";
  byId("formats").textContent =
    `${settings.formats.join(", ").toUpperCase()} and more. Photos up to ${inBytes(photo)}${clips}.`;
  if (!settings.hasVideo) {
    byId("lead").textContent = "Drop photos or a folder here, or paste with Ctrl\u202f+\u202fV.";
  }
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  byId("private").textContent = local ? "Nothing leaves this computer"
    : `Images go to ${location.host}, and nowhere else`;
}

function listenForTheme() {
  const root = document.documentElement;
  const button = byId("theme");
  const dark = () => (root.dataset.theme
    ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const label = () =>
    button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours");
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

async function begin() {
  listenForTheme();
  takeToken();
  onTokenWanted(askToken);
  byId("choose").addEventListener("click", () => choose());
  byId("alert").querySelector("button").addEventListener("click", () => alertUser(""));
  work.addEventListener("list", showList);
  work.addEventListener("item", (event) => showItem(/** @type {CustomEvent} */ (event).detail));
  addEventListener("beforeunload", (event) => {
    if (work.items.some((one) => one.stop)) event.preventDefault(); // the browser asks
  });
  settings.addEventListener("change", () => {
    byId("reset").hidden = !settings.changed;
    if (work.selected) stage.show(work.selected);
    visit.totals();
    againSoon(work.selected);
  });
  try {
    await settings.load();
    drawPanel();
    showLimits();
    document.body.classList.add("ready");
  } catch (error) {
    alertUser(error.message);
  }
}

begin();
