// The dialog that asks for the token of a server that wants one.

import { byId, make } from "./dom.js";
import { t } from "./texts.js";

/** @type {Promise<string> | null} */
let asking = null;

/**
 * Ask for the token; requests that want it at the same time share one question.
 * @param {boolean} again The one that was given is wrong.
 * @returns {Promise<string>}
 */
export function askToken(again) {
  asking ??= new Promise((resolve) => {
    const dialog = byId("token-dialog");
    const input = make("input", {
      id: "token", type: "password", autocomplete: "off", required: true,
      "aria-describedby": "token-help",
    });
    const form = make("form", {
      method: "dialog",
      onsubmit: () => {
        asking = null;
        resolve(input.value.trim());
      },
    },
    make("h2", { id: "token-title" }, t("tokenTitle")),
    make("p.help", { id: "token-help" },
      t(again ? "tokenWrong" : "tokenHelp")),
    make("div.field", {}, make("label", { for: "token" }, t("token")), input),
    make("div.row.end", {}, make("button.primary", {}, t("goOn"))));
    dialog.replaceChildren(form);
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // nothing works without
    dialog.showModal();
    input.focus();
  });
  return asking;
}
