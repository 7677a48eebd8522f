// Small helpers: making elements, telling screen readers, numbers in words.

/**
 * Make an element. Text is always set as text, so that a file name never becomes markup.
 * @param {string} tag Name, with classes after dots: "button.primary".
 * @param {Record<string, any>} [attributes] Functions become listeners ("onclick"), true an empty
 *   attribute; false, null and undefined leave it out.
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((one) => one != null && one !== false).map(String_));
  return element;
}

/** @param {any} child */
const String_ = (child) => (child instanceof Node ? child : String(child));

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

const SHAPES = {
  down: "M12 4v11m0 0-4.5-4.5M12 15l4.5-4.5M5 20h14",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  bin: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 10.5v6M13.5 10.5v6",
  whole: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  line: "M12 3v18M4 6h4v12H4M20 6h-4v12h4",
  beside: "M4 5h7v14H4zM13 5h7v14h-7z",
  eye: "M2.5 12S6 6 12 6s9.5 6 9.5 6-3.5 6-9.5 6-9.5-6-9.5-6zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  face: "M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3M9 10v1M15 10v1M9 15c1.7 1.4 4.3 1.4 6 0",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  share: "M12 15V4m0 0L8 8m4-4 4 4M5 12v8h14v-8",
  pair: "M4 5h16v14H4zM12 5v14M4 15l3-3 3 3M14 15l3-3 3 3",
  undo: "M8 5 4 9l4 4M4 9h10a6 6 0 0 1 0 12h-3",
  redo: "m16 5 4 4-4 4M20 9H10a6 6 0 0 0 0 12h3",
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
};

/**
 * A line drawing of 24 × 24.
 * @param {keyof typeof SHAPES} name
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[name]);
  path.setAttribute("class", "line");
  picture.append(path);
  return picture;
}

let lastSaid = "";

/**
 * Tell screen readers, politely.
 * @param {string} text
 */
export function say(text) {
  if (text === lastSaid) return;
  lastSaid = text;
  byId("say").textContent = text;
}

/**
 * Show a line at the top until it is closed; an empty one takes it away.
 * @param {string} text
 */
export function alertUser(text) {
  const box = byId("alert");
  box.hidden = !text;
  box.querySelector("p").textContent = text;
}

/** How long a note stays, in milliseconds. */
const NOTE_MS = 8000;
/** Ends the note that is shown. @type {(() => void) | null} */
let endNote = null;

/**
 * Show a note for some seconds, perhaps with a button.
 * @param {string} text An empty one takes the note away.
 * @param {{button?: string, onClick?: () => void, onGone?: () => void}} [actions] `onGone` is called
 *   when the note went without the button.
 */
export function note(text, { button, onClick, onGone } = {}) {
  endNote?.();
  if (!text) return;
  const end = (act) => {
    clearTimeout(timer);
    box.replaceChildren();
    box.hidden = true;
    endNote = null;
    act?.();
  };
  const box = byId("note");
  const timer = setTimeout(() => end(onGone), NOTE_MS);
  endNote = () => end(onGone);
  box.hidden = false;
  box.replaceChildren(...[make("p", {}, text),
    button && make("button.link", { type: "button", onclick: () => end(onClick) }, button)]
    .filter(Boolean));
  say(text);
}

/** A number as the language of the page writes it. @param {number} value @param {number} digits */
const written = (value, digits) => value.toLocaleString(document.documentElement.lang,
  { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** @param {number} bytes */
export function inBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${written(value, value < 10 ? 1 : 0)} ${["B", "kB", "MB", "GB"][step]}`;
}

/** @param {number} seconds */
export function inTime(seconds) {
  if (seconds < 10) return `${written(seconds, 1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} part From 0 to 1. */
export const inPercent = (part) => `${Math.round(part * 100)} %`;
