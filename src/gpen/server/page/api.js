// Everything that goes to the server and comes back. See docs/http.md.

import { t } from "./texts.js";

/**
 * @typedef {{number: number, box_xyxy: number[], restored: boolean, blend: number,
 *   similarity: number | null, thumbnail?: string | null}} Face
 * @typedef {{id: string, url: string, faces: Face[], source: {name: string, width: number,
 *   height: number, format: string}}} Photo
 * @typedef {{faces: Face[], source: Photo["source"], result: {width: number, height: number,
 *   format: string}, seconds: Record<string, number>, notes: string[]}} Answer
 * @typedef {{id: string, url: string, source_url: string, name: string, width: number,
 *   height: number, duration_s: number | null, frames: number | null}} Clip
 * @typedef {{id: string, name: string, state: string, stage: string, done: number,
 *   total: number | null, part: number | null, fps: number | null, eta_s: number | null,
 *   position: number, url: string, result_url: string | null, result: any, error: any,
 *   notes: string[]}} Job
 */

const KEY = "gpen.token";
/** How long a fetched file stays at hand for the browser to write it. */
const KEPT_MS = 60_000;
let token = "";
/** Asks the user for the token, again if one was wrong. @type {(again: boolean) => Promise<string>} */
let askToken = () => Promise.reject(new Problem(t("tokenWanted"), 401));

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
    sender.onerror = () => reject(new Problem(t("noAnswer"), 0));
    sender.onabort = () => reject(cancelled());
    signal?.addEventListener("abort", () => sender.abort(), { once: true });
    sender.send(body ?? null);
    return undefined;
  });
}

const cancelled = () => new DOMException("cancelled", "AbortError");

/** What a problem says, in the server's own words. */
function detailOf(text, status) {
  try {
    const { detail, title } = JSON.parse(text);
    return String(detail || title);
  } catch {
    return t("noReason", { status });
  }
}

/**
 * Send a file to be kept for the visit.
 * @param {"photos" | "clips"} kind @param {File} file @param {AbortSignal} signal
 * @param {(part: number) => void} onSent
 * @returns {Promise<any>} A Photo or a Clip.
 */
export function sendFile(kind, file, signal, onSent) {
  const body = new FormData();
  body.append("file", file, file.name);
  return request("POST", `/v1/${kind}`, { body, signal, onSent });
}

/**
 * Fetch a file that takes the token.
 * @param {string} path @param {AbortSignal} [signal]
 * @returns {Promise<Blob>}
 */
export async function fetchBlob(path, signal) {
  let answer, blob;
  try {
    const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
    answer = await fetch(path, { signal, headers });
    blob = await answer.blob();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(t("noAnswer"), 0);
  }
  if (!answer.ok) {
    const wait = Number(answer.headers.get("Retry-After")) || 0;
    throw new Problem(detailOf(await blob.text(), answer.status), answer.status, wait);
  }
  return blob;
}

/**
 * Wait and ask again while the server says that its queue is full.
 * @template T @param {() => Promise<T>} send @param {AbortSignal} [signal] @returns {Promise<T>}
 */
export async function patiently(send, signal) {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (error.status !== 429) throw error;
      await pause(1000 * Math.max(1, error.wait));
      if (signal?.aborted) throw error;
    }
  }
}

/** Remove something; when it is gone already, or the server is, nothing is lost. @param {string} url */
export function forget(url) {
  request("DELETE", url).catch(() => {});
}

/** @param {number} ms */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Let the browser write a file. @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  saveUrl(url, name);
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

/** @param {string} url @param {string} name */
export function saveUrl(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}
