// Entries: searched, shown, and forgotten one by one.

import { ApiProblem } from "./api.js";
import * as dialog from "./dialog.js";
import { byId, facts, fill, make, say, table } from "./dom.js";
import { bytes, date, namespace, plural, score, short } from "./format.js";

const PAGE = 10;
const MOST_PAGES = 40; // that are asked for at once: one may be empty although more follow

/** @type {import("./api.js").Api} */
let api;
/** @type {any[]} */
let found = [];
/** @type {string | null} */
let cursor = null;

/** @type {import("./dom.js").Column[]} */
const COLUMNS = [
  {
    label: "Entry",
    wide: true,
    cell: (one) => [
      one.question != null && make("span", { class: "question" }, one.question),
      make("span", { class: "id muted" }, one.id),
    ],
  },
  {
    label: "Similarity",
    numeric: true,
    cell: (one) => (one.similarity == null ? "" : score(one.similarity)),
  },
  { label: "Model", cell: (one) => one.model },
  { label: "Namespace", cell: (one) => (one.namespace === "" ? "" : one.namespace) },
  { label: "Tags", cell: (one) => one.tags.join(", ") },
  { label: "Stored", cell: (one) => date(one.created_at) },
  { label: "Fresh until", cell: (one) => date(one.expires_at) },
  {
    label: "Acts",
    unseen: true,
    cell: (one) =>
      make(
        "span",
        { class: "row-acts" },
        make(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": `Show entry ${one.id}`,
            onclick: () => open(one.id),
          },
          "Show",
        ),
        make(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": `Delete entry ${one.id}`,
            onclick: () => confirmDelete(one),
          },
          "Delete",
        ),
      ),
  },
];

/** @param {import("./api.js").Api} used */
export function start(used) {
  api = used;
  byId("entries-form").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void search();
  };
  byId("entries-more").onclick = () => search(cursor);
}

/** What is filled in. */
function query() {
  const value = (/** @type {string} */ name) => byId(`entries-${name}`).value.trim();
  const like = value("like");
  return {
    text: value("text"),
    tag: value("tag"),
    namespace: value("namespace"),
    model: value("model"),
    tenant: value("tenant"),
    like,
    at_least: like ? value("at-least") : null,
    limit: PAGE,
  };
}

/** @param {string | null} [from] The cursor of the next page. */
async function search(from = null) {
  say(byId("entries-said"), "Searching …");
  try {
    const more = await pages(from);
    found = from === null ? more : [...found, ...more];
    draw();
  } catch (error) {
    found = [];
    cursor = null;
    draw(message(error));
  }
}

/**
 * Entries from one page on, until there are enough to show.
 * @param {string | null} from
 */
async function pages(from) {
  const entries = [];
  cursor = from;
  for (let at = 0; at < MOST_PAGES && entries.length < PAGE; at += 1) {
    const page = await api.get("entries", { ...query(), cursor });
    entries.push(...page.data);
    cursor = page.next_cursor;
    if (cursor === null) break;
  }
  return entries;
}

/** @param {string} [problem] */
function draw(problem) {
  byId("entries-more").hidden = cursor === null;
  const more = cursor === null ? "" : ", and there may be more";
  say(
    byId("entries-said"),
    problem ??
      (found.length === 0 && cursor === null
        ? "There is no such entry."
        : `${plural(found.length, "entry", "entries")}${more}`),
  );
  byId("entries-said").classList.toggle("problem", problem !== undefined);
  const isSimilar = found.some((one) => one.similarity != null);
  const columns = COLUMNS.filter((one) => isSimilar || one.label !== "Similarity");
  fill(byId("entries-table"), found.length > 0 && table("The entries found", columns, found));
}

/** @param {unknown} error */
function message(error) {
  if (error instanceof ApiProblem && error.code === "questions_are_hidden") {
    return "Questions are hidden: set admin.show_questions to search their text.";
  }
  return /** @type {Error} */ (error).message;
}

/** Shows one entry in the dialog. @param {string} id */
export async function open(id) {
  try {
    const one = await api.get(`entries/${encodeURIComponent(id)}`);
    dialog.show(`Entry ${short(one.id)}`, described(one), [
      { label: "Delete", style: "danger", run: () => confirmDelete(one) },
    ]);
  } catch (error) {
    dialog.show(`Entry ${short(id)}`, make("p", {}, message(error)));
  }
}

/** @param {any} one */
function described(one) {
  return facts([
    ...(one.question != null ? [/** @type {[string, string]} */ (["Question", one.question])] : []),
    ["Id", make("span", { class: "id" }, one.id)],
    ["Model", one.model],
    ["Namespace", namespace(one.namespace)],
    ["Tags", one.tags.join(", ") || "none"],
    ["Tenant", make("span", { class: "id" }, one.tenant)],
    ["Made by", make("span", { class: "id" }, one.principal || "nobody knows")],
    ["Scope", make("span", { class: "id" }, one.scope)],
    ["Stored", date(one.created_at)],
    ["Fresh until", date(one.expires_at)],
    ["Kept until", date(one.kept_until)],
    ["Answer", bytes(one.size)],
    [
      "Reworded",
      one.is_indexed ? "another question may find it" : "only its own question finds it",
    ],
  ]);
}

/** @param {any} one */
function confirmDelete(one) {
  dialog.show(
    `Delete entry ${short(one.id)}?`,
    [
      one.question != null && make("p", { class: "question" }, one.question),
      make(
        "p",
        { class: "muted" },
        "It is forgotten in every tier and on every replica, for good.",
      ),
    ],
    [{ label: "Delete it", style: "danger", run: () => remove(one.id) }],
  );
}

/** @param {string} id */
async function remove(id) {
  try {
    await api.delete(`entries/${encodeURIComponent(id)}`);
    found = found.filter((one) => one.id !== id);
    draw(); // what is left; then what was done
    say(byId("entries-said"), `Entry ${short(id)} is forgotten.`);
    dialog.close();
  } catch (error) {
    dialog.show("It was not deleted", make("p", { class: "problem" }, message(error)));
  }
}
