// For those who look elsewhere meanwhile: the title of the tab, and a notification.

import { inPercent } from "./dom.js";
import { progressOf } from "./status.js";
import { t } from "./texts.js";

/** Percent of what is under way in the title of the tab. @param {import("./items.js").Item[]} items */
export function showTitle(items) {
  const busy = items.find((one) => one.stop && one.job);
  const part = busy ? progressOf(busy).part : null;
  document.title = part == null || !busy ? t("title") : `${inPercent(part)} · ${busy.name}`;
}

/** Ask once whether to notify; only a click may ask. */
export function mayNotify() {
  if ("Notification" in window && Notification.permission === "default") Notification.requestPermission();
}

/** @param {string} text */
export function notify(text) {
  if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  const shown = new Notification("gpen", { body: text });
  shown.onclick = () => window.focus();
}
