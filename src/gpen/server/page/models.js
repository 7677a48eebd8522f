// The models: which there are, what each is good for, how to get more.

import { request } from "./api.js";
import { byId, inBytes, inPercent, make } from "./dom.js";
import { known, t } from "./texts.js";

/** Milliseconds between two looks at a download. */
const LOOK_MS = 700;

/**
 * Show the models until the dialog is closed.
 * @param {import("./settings.js").Settings} settings @param {() => void} onChange More or another.
 */
export function showModels(settings, onChange) {
  const dialog = byId("models-dialog");
  const here = make("ul.models", {}), offered = make("ul.models", {});
  const told = make("p.help", { role: "status" });
  const offers = make("section", {}, make("h3", {}, t("modelsOffers")),
    make("p.help", {}, t("modelsLicence")), offered);
  const drawHere = () => here.replaceChildren(...rowsOf(settings, (name) => {
    settings.set("model", name);
    drawHere();
    onChange();
  }));
  const look = async () => {
    const before = settings.models.models.length;
    try {
      await settings.loadModels();
      const more = settings.models.models.length - before;
      told.textContent = more > 0 ? t("newFiles", { n: more }) : t("nothingNew");
    } catch (error) {
      told.textContent = error.message;
    }
    drawHere();
    onChange();
  };
  let fetching = false;
  const begun = () => {
    fetching = true;
    return watch();
  };
  const watch = async () => {
    const { can_fetch: can, offers: found } = await request("GET", "/v1/offers");
    offered.replaceChildren(...(can ? found.filter((one) => !one.is_here)
      .map((one) => offerRow(one, begun)) : [make("li.help", {}, t("modelsRemote"))]));
    const busy = found.some((one) => one.download?.state === "running");
    if (fetching && !busy) {
      fetching = false;
      await look();
      await watch();
    }
    if (busy && dialog.open) setTimeout(() => watch().catch(tell), LOOK_MS);
  };
  const tell = (error) => (told.textContent = error.message);
  drawHere();
  watch().catch(tell);
  dialog.replaceChildren(make("form", { method: "dialog" },
    make("h2", { id: "models-title" }, t("models")), here, offers,
    make("h3", {}, t("modelsOwn")), make("p.help", {}, t("modelsOwnHelp")),
    make("ul.folders", {}, ...settings.models.folders.map((one) =>
      make("li", {}, make("code", {}, one)))),
    told,
    make("div.row.end", {},
      make("button.ghost", { type: "button", onclick: look }, t("lookAgain")),
      make("button.primary", {}, t("close")))));
  // Looking again draws the panel anew, so the browser cannot give the focus back by itself.
  dialog.addEventListener("close", () => byId("add-model")?.focus(), { once: true });
  dialog.showModal();
}

/** What a model of this size is good for. @param {number | null} size */
const goodFor = (size) => (size && known(`good_${size}`) ? t(`good_${size}`) : "");

/** Usable files first, then the others with what is wrong with them. */
function rowsOf(settings, onUse) {
  const { models, default: own } = settings.models;
  const row = (one) => make("li.model", {},
    make("div", {}, make("strong", {}, one.name),
      one.name === own && make("span.mini", {}, t("default")),
      one.usable && make("p", {}, goodFor(one.size)),
      make("p.help", {}, one.usable ? `${one.size} px · ${one.file} · ${one.licence ?? t("licenceUnknown")}`
        : one.problem)),
    !one.usable ? make("span.help", {}, t("notUsable"))
      : settings.get("model") === one.name ? make("span.help", {}, t("used"))
        : make("button.ghost", { type: "button", onclick: () => onUse(one.name) }, t("use")));
  return [...models].sort((a, b) => Number(b.usable) - Number(a.usable)).map(row);
}

/** One model to fetch: its terms are accepted by hand. @param {any} offer @param {() => Promise<void>} watch */
function offerRow(offer, watch) {
  const path = `/v1/offers/${offer.name}`;
  const problem = make("p.help.wrong", { role: "status" }, offer.download?.problem);
  const act = (method, query = "") => request(method, path + query).then(watch)
    .catch((error) => (problem.textContent = error.message));
  const size = Number(/\d+/.exec(offer.title)?.[0]);
  const text = make("div", {}, make("strong", {}, offer.name), make("p", {}, goodFor(size)),
    make("details", {}, make("summary", {}, [offer.bytes && inBytes(offer.bytes), offer.licence]
      .filter(Boolean).join(" · ")),
    make("p.help", {}, `${offer.title}. ${offer.terms} `,
      make("a", { href: offer.home, target: "_blank", rel: "noreferrer" }, new URL(offer.home).host))),
    problem);
  const { download } = offer;
  if (download?.state === "running") {
    const total = download.total ?? 0;
    text.append(make("progress", { max: 1, value: total ? download.done / total : null,
      "aria-label": inPercent(total ? download.done / total : 0) }),
    make("p.help", {}, t("fetching", { done: inBytes(download.done), total: inBytes(total) })));
    return make("li.model", {}, text,
      make("button.ghost", { type: "button", onclick: () => act("DELETE") }, t("cancel")));
  }
  const accept = make("input", { type: "checkbox", onchange: () => (get.disabled = !accept.checked) });
  const get = make("button.ghost", { type: "button", disabled: !offer.is_accepted,
    "aria-label": `${t("get")} ${offer.name}`,
    onclick: () => act("POST", "?accept_licence=true") }, t("get"));
  if (!offer.is_accepted) text.append(make("label.accept", {}, accept, " ", t("acceptTerms")));
  return make("li.model", {}, text, get);
}
