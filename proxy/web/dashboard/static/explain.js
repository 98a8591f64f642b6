// Why a request would be a hit or a miss.

import { byId, fill, make, table } from "./dom.js";
import { short } from "./format.js";

/** @type {import("./dom.js").Column[]} */
const STEPS = [
  { label: "Stage", cell: (step) => step.stage },
  {
    label: "Says",
    cell: (step) =>
      step.word === "-" ? "–" : make("span", { class: `tag tag-${step.word}` }, step.word),
  },
  { label: "Why", wide: true, cell: (step) => step.detail },
];

/** @param {import("./api.js").Api} api @param {(id: string) => void} onEntry */
export function start(api, onEntry) {
  byId("explain-form").onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    fill(byId("explanation"), make("p", { class: "muted" }, "Looking it up …"));
    try {
      draw(await api.post("explain", asked()), onEntry);
    } catch (error) {
      fill(
        byId("explanation"),
        make("p", { class: "problem" }, /** @type {Error} */ (error).message),
      );
    }
  };
}

/** What is filled in; empty fields are left out. */
function asked() {
  const names = ["question", "model", "namespace", "tenant", "system"];
  const filled = names.map((name) => [name, byId(`explain-${name}`).value.trim()]);
  return Object.fromEntries(filled.filter(([, value]) => value !== ""));
}

/** @param {any} told @param {(id: string) => void} onEntry */
function draw(told, onEntry) {
  const { served, tier, reason } = told.decision;
  const verdict = served
    ? `Answered from the cache, by the ${tier} tier`
    : "Not answered from the cache";
  const near = told.neighbours ?? [];
  fill(
    byId("explanation"),
    make("p", { class: "verdict" }, reason ? `${verdict}: ${reason}` : `${verdict}.`),
    limits(told.new),
    near.length === 0 &&
      !served &&
      make(
        "p",
        { class: "muted" },
        "No entry of the same scope is near. Tenant, namespace, model, system prompt and earlier turns " +
          "must be the same.",
      ),
    near.map((/** @type {any} */ one, /** @type {number} */ at) => neighbour(one, at, onEntry)),
  );
}

/** What the request itself forbids. @param {any} asked */
function limits(asked) {
  const said = [
    asked?.not_read && `It may not be answered from the cache: ${asked.not_read}.`,
    asked?.not_stored && `Its answer would not be stored: ${asked.not_stored}.`,
    asked?.exact_only && `Only its exact repeat is answered: ${asked.exact_only}.`,
  ].filter(Boolean);
  return said.map((text) => make("p", { class: "muted" }, text));
}

/** @param {any} one @param {number} at @param {(id: string) => void} onEntry */
function neighbour(one, at, onEntry) {
  const title = make(
    "h2",
    {},
    at === 0 ? "Nearest entry " : `Neighbour ${at + 1} `,
    make(
      "button",
      {
        type: "button",
        class: "link id",
        "aria-label": `Entry ${one.entry}`,
        onclick: () => onEntry(one.entry),
      },
      short(one.entry),
    ),
  );
  const question = one.pair?.question;
  return make(
    "article",
    { class: "card" },
    title,
    question != null && make("p", { class: "question" }, question),
    table(`What each stage says of neighbour ${at + 1}`, STEPS, one.steps),
  );
}

/** Fills in what is known of a request, to be explained. @param {any} request */
export function fillIn(request) {
  for (const name of ["question", "model", "namespace", "tenant"]) {
    byId(`explain-${name}`).value = request[name] ?? "";
  }
  fill(byId("explanation"));
  byId("explain-question").focus();
  byId("explain").scrollIntoView();
}
