// Runs before the first paint, so that a chosen theme does not flash the other one. No module:
// modules wait until the page is parsed.
(() => {
  try {
    const chosen = localStorage.getItem("gpen.theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system's theme then decides.
  }
  // English words do not flash before those of another language; see texts.js.
  if (navigator.languages[0]?.startsWith("en")) document.documentElement.classList.add("spoken");
})();
