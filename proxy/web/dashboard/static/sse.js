// Server-sent events, read piece by piece (WHATWG HTML, 9.2.6). `EventSource` cannot send a token.

/** @typedef {{type: string, data: string}} ServerEvent */

export class EventParser {
  #rest = "";
  #type = "";
  #id = "";
  /** @type {string[]} */
  #data = [];

  /** The last id that was told, also by a block without data. */
  get lastId() {
    return this.#id;
  }

  /**
   * The events that end in this piece.
   * @param {string} piece Of the stream, cut anywhere.
   * @returns {ServerEvent[]}
   */
  push(piece) {
    const text = this.#rest + piece;
    // A CR at the end may be half of a line's end: it waits for what follows.
    const whole = text.endsWith("\r") ? text.slice(0, -1) : text;
    const lines = whole.split(/\r\n|\n|\r/);
    this.#rest = lines.pop() + text.slice(whole.length);
    /** @type {ServerEvent[]} */
    const events = [];
    for (const line of lines) {
      if (line === "") this.#finish(events);
      else this.#field(line);
    }
    return events;
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#type = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
  }

  /** @param {ServerEvent[]} events */
  #finish(events) {
    if (this.#data.length > 0) {
      events.push({ type: this.#type || "message", data: this.#data.join("\n") });
    }
    this.#type = "";
    this.#data = [];
  }
}
