// Undo and redo of settings and of what is set for single faces.

/** Changes of one thing within this time are one step, in milliseconds. */
const ONE_STEP_MS = 900;

/** Steps back and forth; tells "change" listeners when there are more or fewer. */
export class History extends EventTarget {
  /** @type {any[]} */ #past = [];
  /** @type {any[]} */ #future = [];
  #last = { of: "", at: 0 };

  /** @param {() => any} take Takes a picture of all. @param {(state: any) => void} put Brings one back. */
  constructor(take, put) {
    super();
    this.take = take;
    this.put = put;
  }

  /** Call before a change. @param {string} of What is changed. */
  step(of) {
    const now = performance.now();
    const same = of === this.#last.of && now - this.#last.at < ONE_STEP_MS;
    this.#last = { of, at: now };
    if (same) return;
    this.#past.push(this.take());
    this.#future = [];
    this.dispatchEvent(new Event("change"));
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  undo() {
    this.#move(this.#past, this.#future);
  }

  redo() {
    this.#move(this.#future, this.#past);
  }

  #move(from, to) {
    const state = from.pop();
    if (state === undefined) return;
    to.push(this.take());
    this.#last.of = "";
    this.put(state);
    this.dispatchEvent(new Event("change"));
  }
}
