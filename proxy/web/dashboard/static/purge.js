// Forgetting many entries: counted first, then confirmed by typing.

import { byId, fill, make } from "./dom.js";
import { count, plural, span } from "./format.js";

/** @type {import("./api.js").Api} */
let api;

/** @param {import("./api.js").Api} used */
export function start(used) {
  api = used;
  byId("purge-form").onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void countFirst();
  };
  byId("purge-form").oninput = () => fill(byId("purge-next"));
}

/** @param {string} name */
function value(name) {
  return byId(`purge-${name}`).value.trim();
}

/** @param {string} name */
function list(name) {
  const parts = value(name)
    .split(",")
    .map((/** @type {string} */ one) => one.trim())
    .filter(Boolean);
  return parts.length > 0 ? parts : undefined;
}

/**
 * What is filled in, for the API and in words.
 * @returns {{selector: Record<string, unknown>, words: string[]}}
 */
function chosen() {
  const age = byId("purge-age").valueAsNumber * Number(value("unit"));
  const like = value("like");
  const isAll = byId("purge-everything").checked;
  const selector = {
    ids: list("ids"),
    tags: list("tags"),
    namespace: value("namespace") || undefined,
    model: value("model") || undefined,
    tenant: value("tenant") || undefined,
    older_than: Number.isNaN(age) ? undefined : Date.now() / 1000 - age,
    like: like || undefined,
    at_least: like ? byId("purge-at-least").valueAsNumber : undefined,
    everything: isAll || undefined,
  };
  const words = [
    selector.ids && plural(selector.ids.length, "id"),
    selector.tags && `tag ${selector.tags.join(" or ")}`,
    selector.namespace && `namespace ${selector.namespace}`,
    selector.model && `model ${selector.model}`,
    selector.tenant && `tenant ${selector.tenant}`,
    selector.older_than !== undefined && `older than ${span(age)}`,
    like && `like “${like}”, at least ${selector.at_least}`,
    isAll && "everything",
  ].filter(Boolean);
  return { selector, words: /** @type {string[]} */ (words) };
}

async function countFirst() {
  const { selector, words } = chosen();
  if (words.length === 0) return problem("Nothing is filled in. Say which entries.");
  try {
    const told = await api.post("invalidate", { ...selector, dry_run: true });
    confirm(selector, words.join(", "), told);
  } catch (error) {
    problem(/** @type {Error} */ (error).message);
  }
}

/** @param {string} text */
function problem(text) {
  fill(byId("purge-next"), make("p", { class: "problem", role: "alert" }, text));
}

/** @param {Record<string, unknown>} selector @param {string} words @param {any} told */
function confirm(selector, words, told) {
  const many = told.count;
  if (many === 0) {
    fill(byId("purge-next"), make("p", { role: "status" }, `No entry matches: ${words}.`));
    return;
  }
  const word = many == null ? "forget" : `forget ${many}`;
  const typed = make("input", {
    type: "text",
    id: "purge-word",
    autocomplete: "off",
    spellcheck: "false",
  });
  const act = make("button", { type: "submit", class: "danger", disabled: true }, "Forget them");
  typed.addEventListener("input", () => {
    act.disabled = typed.value.trim() !== word;
  });
  const counted = many == null ? "All of them" : plural(many, "entry", "entries");
  const form = make(
    "form",
    {
      class: "confirm",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        if (!act.disabled) void forget(selector);
      },
    },
    make("label", { for: "purge-word" }, "Type ", make("code", {}, word), " to go on"),
    typed,
    act,
  );
  fill(
    byId("purge-next"),
    make("p", { role: "status" }, `${counted} would be forgotten: ${words}.`),
    form,
  );
  typed.focus();
}

/** @param {Record<string, unknown>} selector */
async function forget(selector) {
  try {
    const done = await api.post("invalidate", selector);
    const many =
      done.count == null
        ? "They are forgotten."
        : `${plural(done.count, "entry is", "entries are")} forgotten.`;
    const left = done.unreached_workers
      ? ` ${count(done.unreached_workers)} of this port's workers did not answer; theirs may be left.`
      : "";
    fill(byId("purge-next"), make("p", { role: "status" }, many + left));
  } catch (error) {
    problem(/** @type {Error} */ (error).message);
  }
}
