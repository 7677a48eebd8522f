// How files come in: chosen, dropped (folders too) or pasted.

import { byId } from "./dom.js";

/**
 * Listen for files in every way.
 * @param {(files: File[]) => void} onFiles
 * @returns {() => void} Opens the file chooser.
 */
export function takeFiles(onFiles) {
  const chooser = byId("files");
  chooser.addEventListener("change", () => {
    const files = [...chooser.files];
    chooser.value = ""; // the same file can be chosen again
    onFiles(files);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    onFiles(files);
  });
  takeDrops(onFiles);
  return () => chooser.click();
}

/** The whole window takes drops, so that a near miss does not leave the page. */
function takeDrops(onFiles) {
  const curtain = byId("curtain");
  let depth = 0; // enter and leave come for every element on the way
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (on) => {
    depth = on ? depth : 0;
    curtain.hidden = !on;
  };
  addEventListener("dragenter", (event) => hasFiles(event) && (depth++, show(true)));
  addEventListener("dragleave", (event) => hasFiles(event) && --depth <= 0 && show(false));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(false);
    // Entries must be taken before the first await: the list is emptied afterwards.
    const entries = [...event.dataTransfer.items].map((one) => one.webkitGetAsEntry?.());
    const loose = [...event.dataTransfer.files];
    onFiles(entries.every(Boolean) ? await filesOf(entries) : loose);
  });
}

/** The files of entries and, in folders, of theirs; by name, without hidden ones. */
async function filesOf(entries) {
  const found = [];
  for (const entry of entries) {
    if (entry.isFile) found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    else found.push(...(await filesOf(await entriesOf(entry))).filter(isMedia));
  }
  return found;
}

/** @param {File} file A folder holds other things than images. */
const isMedia = (file) => /^(image|video)\//.test(file.type) || MEDIA_NAME.test(file.name);
const MEDIA_NAME = /^[^.].*\.(heic|heif|avif|tiff?|jp2|mkv|m4v|mov|avi)$/i;

/** All entries of a folder; browsers hand them out a hundred at a time. */
async function entriesOf(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all.sort((a, b) => a.name.localeCompare(b.name));
    all.push(...some);
  }
}
