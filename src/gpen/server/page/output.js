// What leaves the page: files, the clipboard, other programs.

import { fetchBlob, request, saveBlob, saveUrl } from "./api.js";
import { photoValues } from "./items.js";
import { t } from "./texts.js";

/** @typedef {import("./items.js").Item} Item @typedef {import("./settings.js").Settings} Settings */

/** Longest side of images that are copied, and of each half of a pair, in pixels. */
const COPIED_PX = 4096, PAIR_PX = 2048;

/** Have the server make the file of a photo. @param {Item} item @param {Settings} settings */
export const makeFile = (item, settings) =>
  request("POST", `${item.photo?.url}/file?${new URLSearchParams(photoValues(item, settings))}`);

/** @param {Item} item @param {Settings} settings */
export async function savePhoto(item, settings) {
  const made = await makeFile(item, settings);
  saveBlob(await fetchBlob(made.url), made.name);
}

/** Of a video only one byte is fetched; the browser's own download takes the rest. @param {Item} item */
export async function saveClip({ made }) {
  if (!made?.result_url) return;
  const { url, result_url: path, result } = made;
  await request("GET", url); // it may have expired
  saveUrl(path, result.name);
}

/** Several photos in one file. @param {Item[]} items @param {Settings} settings */
export async function saveAll(items, settings) {
  const ids = [];
  for (const item of items) ids.push((await makeFile(item, settings)).id);
  saveBlob(await fetchBlob(`/v1/results.zip?${ids.map((id) => `id=${id}`).join("&")}`), "gpen.zip");
}

/** The photo as an image that any program takes. */
async function drawn(item, query, most) {
  const parameters = new URLSearchParams({ ...query, size: `${most}x${most}` });
  return createImageBitmap(await fetchBlob(`${item.photo?.url}/view?${parameters}`));
}

/** @param {HTMLCanvasElement} canvas @param {string} type @returns {Promise<Blob>} */
const blobOf = (canvas, type) => new Promise((resolve, reject) =>
  canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(t("notCopied")))), type, 0.92));

/** @param {number} width @param {number} height */
function sheet(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return { canvas, context: /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")) };
}

/** @param {Item} item @param {Settings} settings @throws {Error} The browser does not allow it. */
export async function copyPhoto(item, settings) {
  const png = async () => {
    const image = await drawn(item, { ...photoValues(item, settings), of: "after" }, COPIED_PX);
    const { canvas, context } = sheet(image.width, image.height);
    context.drawImage(image, 0, 0);
    return blobOf(canvas, "image/png");
  };
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png() })]);
  } catch (error) {
    throw error.name === "NotAllowedError" || error instanceof TypeError ? new Error(t("notCopied")) : error;
  }
}

/** @param {Item} item @param {Settings} settings */
export async function sharePhoto(item, settings) {
  const made = await makeFile(item, settings);
  const file = new File([await fetchBlob(made.url)], made.name, { type: made.media_type });
  if (navigator.canShare({ files: [file] })) await navigator.share({ files: [file] });
  else saveBlob(file, made.name);
}

/** Before and after beside each other, in one image. @param {Item} item @param {Settings} settings */
export async function savePair(item, settings) {
  const after = { ...photoValues(item, settings), of: "after" };
  const images = await Promise.all([{ of: "before" }, after].map((one) => drawn(item, one, PAIR_PX)));
  const width = Math.max(...images.map((one) => one.width));
  const height = Math.max(...images.map((one) => one.height));
  const { canvas, context } = sheet(2 * width, height);
  images.forEach((one, place) => context.drawImage(one, place * width, 0, width, height));
  context.fillStyle = "#fff";
  context.fillRect(width - Math.ceil(width / 800), 0, 2 * Math.ceil(width / 800), height);
  const stem = item.name.replace(/\.[^.]*$/, "");
  saveBlob(await blobOf(canvas, "image/jpeg"), `${stem}_before_after.jpg`);
}
