// The words of the page in the browser's language. A translation is one more file in texts/ and one
// more entry here; en.js says what there is to translate.

/** @type {Record<string, () => Promise<any>>} */
const LANGUAGES = { en: () => import("./texts/en.js"), de: () => import("./texts/de.js") };

/** @type {Record<string, string>} */
let words = {};
/** @type {Record<string, Record<string, any>>} Of the server's settings, by name. */
let options = {};
/** @type {Record<string, string>} */
let groups = {};

/** The first language of the browser that the page speaks. */
export function language() {
  const wanted = navigator.languages.map((one) => one.slice(0, 2).toLowerCase());
  return wanted.find((one) => one in LANGUAGES) ?? "en";
}

/** Fetch the words, and put those of index.html in their places. */
export async function loadTexts() {
  const lang = language();
  ({ words, options, groups } = await LANGUAGES[lang]());
  document.documentElement.lang = lang;
  for (const one of document.querySelectorAll("[data-text]")) {
    one.textContent = t(/** @type {HTMLElement} */ (one).dataset.text ?? "");
  }
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", t(/** @type {HTMLElement} */ (one).dataset.label ?? ""));
  }
  document.documentElement.classList.add("spoken");
}

/**
 * A text of the page; {name} stands for a value, {n|face|faces} for one word or another by number.
 * @param {string} key @param {Record<string, any>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, name, one, many) =>
    one === undefined ? String(values[name] ?? "") : Number(values[name]) === 1 ? one : many);
}

/** Whether there is such a text. @param {string} key */
export const known = (key) => key in words;

/** A setting of the server with the words of the page. @param {any} option */
export const translated = (option) => {
  const own = options[option.name] ?? {};
  return { ...option, ...own, names: { ...option.names, ...own.names } };
};

/** A heading of the server's settings. @param {string} title */
export const groupName = (title) => groups[title] ?? title;
