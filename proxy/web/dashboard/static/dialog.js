// The page's one dialog: it shows something, and may ask.

import { byId, fill, make, say } from "./dom.js";

/**
 * One of its buttons, beside "Close".
 * @typedef {object} Act
 * @property {string} label
 * @property {string} [style] A class of the button.
 * @property {() => void | Promise<void>} run
 */

/**
 * @param {string} title
 * @param {import("./dom.js").Child | import("./dom.js").Child[]} body
 * @param {Act[]} [acts]
 */
export function show(title, body, acts = []) {
  say(byId("dialog-title"), title);
  fill(byId("dialog-body"), body);
  fill(
    byId("dialog-acts"),
    acts.map((one) =>
      make("button", { type: "button", class: one.style, onclick: one.run }, one.label),
    ),
    make("button", { value: "close" }, "Close"),
  );
  if (!byId("dialog").open) byId("dialog").showModal();
}

export function close() {
  byId("dialog").close();
}
