// What the browser remembers: settings, and which images this visit has.

/** @param {string} key @returns {any} Null where there is nothing, or nothing may be kept. */
export function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(`gpen.${key}`) ?? "null");
  } catch {
    return null;
  }
}

/** @param {string} key @param {any} value Null forgets it. */
export function remember(key, value) {
  try {
    if (value === null) localStorage.removeItem(`gpen.${key}`);
    else localStorage.setItem(`gpen.${key}`, JSON.stringify(value));
  } catch {
    // Without storage it lasts as long as the page.
  }
}
