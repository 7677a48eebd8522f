// Two dialogs: the token of a server that wants one, and how models are added.

import { byId, counted, make } from "./dom.js";

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
    make("h2", { id: "token-title" }, "This server wants a token"),
    make("p.help", { id: "token-help" },
      again ? "That is not the token. Whoever started the server knows it."
        : "Whoever started the server knows it. It is kept until this tab is closed."),
    make("div.field", {}, make("label", { for: "token" }, "Token"), input),
    make("div.row.end", {}, make("button.primary", {}, "Go on")));
    dialog.replaceChildren(form);
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // nothing works without
    dialog.showModal();
    input.focus();
  });
  return asking;
}

/**
 * Show which models there are and how to add one.
 * @param {import("./settings.js").Settings} settings @param {() => void} onFound Called after another look.
 */
export function showModels(settings, onFound) {
  const dialog = byId("models-dialog");
  const list = make("div", {});
  const note = make("p.help", { role: "status" });
  const draw = () => list.replaceChildren(...modelRows(settings));
  const look = async () => {
    const before = settings.models.models.length;
    try {
      await settings.loadModels();
    } catch (error) {
      note.textContent = error.message;
      return;
    }
    const more = settings.models.models.length - before;
    note.textContent = more > 0 ? `${counted(more, "new file")} found.` : "Nothing new was found.";
    draw();
    onFound();
  };
  draw();
  dialog.replaceChildren(make("form", { method: "dialog" },
    make("h2", { id: "models-title" }, "Models"), list,
    make("h3", {}, "Add one"),
    make("ol.steps", {},
      make("li", {}, "Get a GPEN file, for example GPEN-BFR-512.pth, .onnx or .safetensors. "
        + "A larger number restores larger faces with more detail, and takes longer."),
      make("li", {}, "Read its licence. The published GPEN weights were for academic and "
        + "non-commercial use; a file's licence binds whoever uses it, not this program."),
      make("li", {}, "Put it into one of these folders of the computer that runs the server:",
        make("ul.folders", {}, ...settings.models.folders.map((one) =>
          make("li", {}, make("code", {}, one))))),
      make("li", {}, "Look again. A file that cannot be used is listed with the reason.")),
    note,
    make("div.row.end", {},
      make("button.ghost", { type: "button", onclick: look }, "Look again"),
      make("button.primary", {}, "Close"))));
  // Looking again draws the panel anew, so the browser cannot give the focus back by itself.
  dialog.addEventListener("close", () => byId("add-model")?.focus(), { once: true });
  dialog.showModal();
}

/** Usable files first, then the others with what is wrong with them. */
function modelRows({ models }) {
  const row = (one) => make("li.model", {},
    make("div", {}, make("strong", {}, one.name),
      one.name === models.default && make("span.mini", {}, "default"),
      make("p.help", {}, one.usable ? `${one.file}: ${one.licence ?? "licence not known"}`
        : one.problem)),
    make("span.help", {}, one.usable ? `${one.size} px` : "not usable"));
  const sorted = [...models.models].sort((a, b) => Number(b.usable) - Number(a.usable));
  return [make("ul.models", {}, ...sorted.map(row))];
}
