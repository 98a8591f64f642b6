// The requests of late: newest first, live, to be filtered and held still.

import { byId, fill, make, say, table, tableRow } from "./dom.js";
import { clock, count, date, duration, percent, score, short, usd } from "./format.js";

const MOST = 300;
const MOST_SHOWN = 60;

/** @type {any[]} */
let known = [];
/** Those that came while the list was held still. */
/** @type {any[]} */
let waiting = [];
let isPaused = false;
/** What a row's buttons do. */
/** @type {{entry: (id: string) => void, explain: (request: any) => void}} */
let acts;
/** @type {HTMLTableSectionElement | null} */
let body = null;

/** @type {import("./dom.js").Column[]} */
const COLUMNS = [
  { label: "Time", cell: (one) => make("time", { title: date(one.at) }, clock(one.at)) },
  {
    label: "Result",
    tight: true,
    cell: (one) => [
      make("span", { class: `tag tag-${one.result}` }, one.result),
      one.tier && ` ${one.tier}`,
    ],
  },
  {
    label: "Model",
    cell: (one) => [
      one.model || one.api,
      one.namespace && make("span", { class: "muted" }, ` in ${one.namespace}`),
    ],
  },
  {
    label: "Similarity",
    numeric: true,
    cell: (one) => (one.similarity == null ? "" : score(one.similarity)),
  },
  {
    label: "Verifier",
    numeric: true,
    cell: (one) => (one.probability == null ? "" : percent(one.probability)),
  },
  { label: "Why", wide: true, cell: why },
  { label: "Took", numeric: true, cell: (one) => duration(one.duration_ms) },
  { label: "Saved", numeric: true, cell: saved },
  {
    label: "Entry",
    cell: (one) =>
      one.entry
        ? make(
            "button",
            {
              type: "button",
              class: "link id",
              "aria-label": `Entry ${one.entry}`,
              onclick: () => acts.entry(one.entry),
            },
            short(one.entry),
          )
        : "",
  },
  {
    label: "Acts",
    unseen: true,
    cell: (one) =>
      make(
        "button",
        {
          type: "button",
          class: "link",
          "aria-label": `Explain request ${one.id}`,
          onclick: () => acts.explain(one),
        },
        "Explain",
      ),
  },
];

/** @param {any} one */
function why(one) {
  const failed = one.status >= 400 ? `status ${one.status}` : "";
  const reason = [one.reason, failed].filter(Boolean).join("; ");
  return one.question ? [make("span", { class: "question" }, one.question), reason] : reason;
}

/** @param {any} one */
function saved(one) {
  if (one.saved_usd) return usd(one.saved_usd);
  return one.tokens_saved ? `${count(one.tokens_saved)} tokens` : "";
}

/** @param {typeof acts} chosen */
export function start(chosen) {
  acts = chosen;
  byId("requests-filter").addEventListener("submit", (/** @type {Event} */ event) =>
    event.preventDefault(),
  );
  byId("requests-result").addEventListener("change", draw);
  byId("requests-words").addEventListener("input", draw);
  byId("requests-pause").addEventListener("click", () => {
    isPaused = !isPaused;
    byId("requests-pause").setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) take(waiting.splice(0));
    sayState();
  });
  draw();
}

/** Begins with these. @param {any[]} list Newest first. */
export function showRequests(list) {
  const ids = new Set(list.map((one) => one.id));
  known = [...known.filter((one) => !ids.has(one.id)), ...list]
    .sort((one, other) => other.at - one.at)
    .slice(0, MOST);
  draw();
}

/** One more. @param {any} one */
export function addRequest(one) {
  if (isPaused) {
    waiting = [one, ...waiting].slice(0, MOST);
    sayState();
  } else {
    take([one]);
  }
}

/** @param {any[]} list Newest first. */
function take(list) {
  const fresh = list.filter((one) => !known.some((old) => old.id === one.id));
  known = [...fresh, ...known].slice(0, MOST);
  const shown = fresh.filter(passes);
  if (!body) return draw();
  // Rows that are there stay, with whatever has the focus in them.
  body.prepend(...shown.map((one) => tableRow(COLUMNS, one)));
  while (body.rows.length > MOST_SHOWN) body.deleteRow(-1);
  sayState();
}

/** @param {any} one */
function passes(one) {
  const result = byId("requests-result").value;
  const words = byId("requests-words").value.trim().toLowerCase();
  if (result && one.result !== result) return false;
  return [
    one.model,
    one.namespace,
    one.reason,
    one.api,
    one.tenant,
    one.entry,
    one.id,
    one.question,
  ].some((text) => text?.toLowerCase().includes(words));
}

function draw() {
  const shown = known.filter(passes).slice(0, MOST_SHOWN);
  sayState();
  if (shown.length === 0) {
    body = null;
    fill(
      byId("requests-table"),
      make(
        "p",
        { class: "empty" },
        known.length === 0
          ? "No requests yet. Point a client's base URL at this proxy, and they show here."
          : "None of the latest requests is like that.",
      ),
    );
    return;
  }
  const drawn = /** @type {HTMLTableElement} */ (table("The latest requests", COLUMNS, shown));
  body = drawn.tBodies[0];
  fill(byId("requests-table"), drawn);
}

function sayState() {
  const held = waiting.length > 0 ? `, ${count(waiting.length)} waiting` : "";
  say(
    byId("requests-said"),
    isPaused ? `Held still${held}` : `The latest ${MOST_SHOWN}, as they come`,
  );
}
