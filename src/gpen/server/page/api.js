// Everything that goes to the server and comes back. See docs/http.md.

/**
 * @typedef {{number: number, box_xyxy: number[], points_xy: number[][], score: number,
 *   restored: boolean, blend: number, similarity: number | null,
 *   thumbnail?: string | null}} Face
 * @typedef {{id: string, name: string, url: string, before_url: string | null,
 *   after_url: string | null, format: string, width: number, height: number, bytes: number,
 *   expires_s: number}} Result
 * @typedef {{faces: Face[], source: {name: string, width: number, height: number, format: string},
 *   result: Result, seconds: Record<string, number>}} Answer
 * @typedef {{id: string, state: string, stage: string, done: number, total: number | null,
 *   fps: number | null, eta_s: number | null, position: number, url: string,
 *   result_url: string | null, result: any, error: any, notes: string[]}} Job
 */

const KEY = "gpen.token";
/** How long a fetched file stays at hand for the browser to write it. */
const KEPT_MS = 60_000;
let token = "";
/** Asks the user for the token, again if one was wrong. @type {(again: boolean) => Promise<string>} */
let askToken = () => Promise.reject(new Problem("this server wants a token", 401));

/** What the server, or the way to it, has against a request. */
export class Problem extends Error {
  /** @param {string} message @param {number} status 0 where no answer came. @param {number} [wait] */
  constructor(message, status, wait = 0) {
    super(message);
    this.status = status;
    /** Seconds after which to try again; 0 where the server does not say. */
    this.wait = wait;
  }
}

/** Take the token from the address, or from this tab's memory. */
export function takeToken() {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (given) {
    address.searchParams.delete("token");
    history.replaceState(null, "", address);
    keepToken(given);
  }
  try {
    token = token || sessionStorage.getItem(KEY) || "";
  } catch {
    // Without storage the token lives as long as the page.
  }
}

/** @param {string} value */
export function keepToken(value) {
  token = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // As above.
  }
}

/** @param {(again: boolean) => Promise<string>} ask */
export function onTokenWanted(ask) {
  askToken = ask;
}

/**
 * Send a request and read its JSON; after a 401 the user is asked for the token, and it is sent
 * again.
 * @param {string} method @param {string} path
 * @param {{body?: FormData, signal?: AbortSignal, onSent?: (part: number) => void}} [options]
 * @returns {Promise<any>} The JSON, or null where there is none.
 */
export async function request(method, path, options = {}) {
  for (;;) {
    const used = token;
    const { status, text, wait } = await exchange(method, path, options);
    if (status >= 200 && status < 300) return text ? JSON.parse(text) : null;
    const problem = new Problem(detailOf(text, status), status, wait);
    if (status !== 401) throw problem;
    if (token === used) keepToken(await askToken(Boolean(used)));
  }
}

/**
 * One exchange by XMLHttpRequest: fetch cannot tell how much of an upload has gone out.
 * @returns {Promise<{status: number, text: string, wait: number}>}
 */
function exchange(method, path, { body, signal, onSent }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled());
    const sender = new XMLHttpRequest();
    sender.open(method, path);
    sender.setRequestHeader("Accept", "application/json");
    if (token) sender.setRequestHeader("Authorization", `Bearer ${token}`);
    if (onSent) sender.upload.onprogress = (e) => e.total && onSent(e.loaded / e.total);
    sender.onload = () =>
      resolve({
        status: sender.status,
        text: sender.responseText,
        wait: Number(sender.getResponseHeader("Retry-After")) || 0,
      });
    sender.onerror = () => reject(new Problem(NO_ANSWER, 0));
    sender.onabort = () => reject(cancelled());
    signal?.addEventListener("abort", () => sender.abort(), { once: true });
    sender.send(body ?? null);
    return undefined;
  });
}

export const NO_ANSWER =
  "The server does not answer. Look whether gpen web still runs, then try again.";

const cancelled = () => new DOMException("cancelled", "AbortError");

/** What a problem says, in the server's own words. */
function detailOf(text, status) {
  try {
    const { detail, title } = JSON.parse(text);
    return String(detail || title);
  } catch {
    return `The server answered ${status} and gave no reason.`;
  }
}

/** A file with its settings, ready to be sent. @param {File} file */
function form(file) {
  const body = new FormData();
  body.append("file", file, file.name);
  return body;
}

/**
 * @param {File} file @param {Record<string, string>} values Settings.
 * @param {AbortSignal} signal @param {(part: number) => void} [onSent]
 * @returns {Promise<Answer>}
 */
export function restorePhoto(file, values, signal, onSent) {
  const shown = { thumbnails: "true", previews: "true", similarity: "true" };
  const query = new URLSearchParams({ ...values, ...shown });
  return request("POST", `/v1/restore?${query}`, { body: form(file), signal, onSent });
}

/**
 * @param {File} file @param {Record<string, string>} values Settings.
 * @param {AbortSignal} signal @param {(part: number) => void} [onSent]
 * @returns {Promise<Job>}
 */
export function sendClip(file, values, signal, onSent) {
  const query = new URLSearchParams(values);
  return request("POST", `/v1/videos?${query}`, { body: form(file), signal, onSent });
}

/**
 * Save what lies at an address. Photos are fetched first, so that an error can be shown; of a video
 * only one byte is, and the browser's own download takes the rest.
 * @param {string} path @param {string} name @param {boolean} [isClip]
 * @throws {Problem} It is gone, or the server is.
 */
export async function download(path, name, isClip = false) {
  let answer, blob;
  try {
    answer = await fetch(path, { headers: isClip ? { Range: "bytes=0-0" } : {} });
    blob = await answer.blob();
  } catch {
    throw new Problem(NO_ANSWER, 0);
  }
  if (!answer.ok) throw new Problem(detailOf(await blob.text(), answer.status), answer.status);
  const link = document.createElement("a");
  link.href = isClip ? path : URL.createObjectURL(blob);
  link.download = name;
  link.click();
  if (!isClip) setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
