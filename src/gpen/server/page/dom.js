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
  bin: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 10.5v6M13.5 10.5v6",
  again: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4",
  whole: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
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

/** @param {number} bytes */
export function inBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** step;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${["B", "kB", "MB", "GB"][step]}`;
}

/** @param {number} seconds */
export function inTime(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** @param {number} part From 0 to 1. */
export const inPercent = (part) => `${Math.round(part * 100)} %`;
