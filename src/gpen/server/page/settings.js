// What the server can be asked for, and what this visit chose of it.

import { request } from "./api.js";
import { recall, remember } from "./memory.js";
import { translated } from "./texts.js";

/** @typedef {import("./fields.js").Option} Option */

/** Settings that belong to one image, and are not remembered for the next visit. */
const OF_ONE = ["faces", "face_blend", "start_s", "end_s"];

/** The settings of this visit; tells "change" listeners when one is chosen. */
export class Settings extends EventTarget {
  /** @type {Option[]} */ photo = [];
  /** @type {Option[]} */ video = [];
  /** @type {Record<string, number>} */ limits = {};
  /** @type {string[]} */ formats = [];
  hasVideo = false;
  version = "";
  /** @type {{default: string, folders: string[], models: any[]}} */
  models = { default: "", folders: [], models: [] };
  /** Values that differ from the server's defaults. @type {Map<string, string>} */
  #chosen = new Map();
  /** Called before a setting changes. @type {(name: string) => void} */ onStep = () => {};

  /** Ask the server. */
  async load() {
    const found = await request("GET", "/v1/settings");
    this.photo = found.photo.map(translated);
    this.video = [...found.video, found.container].map(translated);
    this.limits = found.limits;
    this.formats = found.formats;
    this.hasVideo = found.has_video;
    this.version = found.version;
    await this.loadModels();
    this.#recall();
  }

  /** Bring back what the last visit chose, as far as there still is such a thing. */
  #recall() {
    const names = new Set(this.all.filter((one) => one.settable).map((one) => one.name));
    for (const [name, value] of Object.entries(recall("settings") ?? {})) {
      const gone = name === "model" && !this.usable.some((one) => one.name === value);
      if (names.has(name) && !gone) this.#chosen.set(name, String(value));
    }
  }

  #changed() {
    const kept = [...this.#chosen].filter(([name]) => !OF_ONE.includes(name));
    remember("settings", Object.fromEntries(kept));
    this.dispatchEvent(new Event("change"));
  }

  /** Models that can be chosen. */
  get usable() {
    return this.models.models.filter((one) => one.usable);
  }

  /** What is chosen, to be put back later. */
  get chosen() {
    return Object.fromEntries(this.#chosen);
  }

  /** @param {Record<string, string>} values */
  set chosen(values) {
    this.#chosen = new Map(Object.entries(values));
    this.#changed();
  }

  async loadModels() {
    this.models = await request("GET", "/v1/models");
  }

  /** @returns {Option[]} */
  get all() {
    return [...this.photo, ...this.video];
  }

  /** The value of a setting, as sent. @param {string} name */
  get(name) {
    return this.#chosen.get(name) ?? this.#default(name);
  }

  /** @param {string} name */
  #default(name) {
    const option = this.all.find((one) => one.name === name);
    return option?.default == null ? "" : String(option.default);
  }

  /** @param {string} name @param {string} value */
  set(name, value) {
    if (value === this.get(name)) return;
    this.onStep(name);
    if (value === this.#default(name)) this.#chosen.delete(name);
    else this.#chosen.set(name, value);
    this.#changed();
  }

  /** Back to the server's defaults. */
  reset() {
    if (!this.#chosen.size) return;
    this.onStep("reset");
    this.#chosen.clear();
    this.#changed();
  }

  get changed() {
    return this.#chosen.size > 0;
  }

  /** What to send with a photo. @returns {Record<string, string>} */
  forPhoto() {
    return this.#pick(this.photo);
  }

  /** What to send with a clip. @returns {Record<string, string>} */
  forClip() {
    return this.#pick([...this.photo.filter((one) => one.for_videos), ...this.video]);
  }

  /** @param {Option[]} options */
  #pick(options) {
    const names = options.map((one) => one.name).filter((name) => this.#chosen.has(name));
    return Object.fromEntries(names.map((name) => [name, this.#chosen.get(name) ?? ""]));
  }
}
