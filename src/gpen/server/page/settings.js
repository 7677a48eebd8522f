// What the server can be asked for, and what this visit chose of it.

import { request } from "./api.js";

/** @typedef {import("./fields.js").Option} Option */

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

  /** Ask the server. */
  async load() {
    const found = await request("GET", "/v1/settings");
    this.photo = found.photo;
    this.video = [...found.video, found.container];
    this.limits = found.limits;
    this.formats = found.formats;
    this.hasVideo = found.has_video;
    this.version = found.version;
    await this.loadModels();
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
    if (value === this.#default(name)) this.#chosen.delete(name);
    else this.#chosen.set(name, value);
    this.dispatchEvent(new Event("change"));
  }

  /** Back to the server's defaults. */
  reset() {
    if (!this.#chosen.size) return;
    this.#chosen.clear();
    this.dispatchEvent(new Event("change"));
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
