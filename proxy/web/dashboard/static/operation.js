// How the parts and the replicas are, and the configuration's last reload.

import { ApiProblem } from "./api.js";
import { byId, facts, fill, make, say, table } from "./dom.js";
import { count, date, plural, short, span } from "./format.js";

/** @type {import("./api.js").Api} */
let api;

/** @param {import("./api.js").Api} used */
export function start(used) {
  api = used;
  byId("reload-now").onclick = reload;
}

/** @param {any} stats */
export function showParts(stats) {
  const parts = Object.entries(stats.parts);
  const waits = stats.backlog?.entries ?? 0;
  const rows = parts.map(([name, state]) => [
    name,
    state === "ok"
      ? make("span", { class: "tag tag-passes" }, "ok")
      : [make("span", { class: "tag tag-trouble" }, "left out"), ` ${state}`],
  ]);
  const entries = Object.entries(stats.entries ?? {})
    .map(([tier, many]) => `${tier} ${count(/** @type {number | null} */ (many))}`)
    .join(", ");
  rows.push(
    ["entries", entries],
    [
      "backlog",
      waits === 0
        ? "nothing waits for the shared tier"
        : `${plural(waits, "answer")} waiting for the shared tier`,
    ],
  );
  const anew = stats.reembedding;
  if (anew) {
    const left = `${plural(anew.left, "question")} left, ${count(anew.done)} done`;
    rows.push(["new embedder", left]);
  }
  const list = make(
    "ul",
    { class: "parts" },
    rows.map(([name, value]) => make("li", {}, make("span", {}, name), make("span", {}, value))),
  );
  if (byId("parts").textContent !== list.textContent) fill(byId("parts"), list);
}

/** @param {any[]} replicas @param {number} now */
export function showReplicas(replicas, now) {
  if (replicas.length === 0) {
    fill(byId("replicas"), make("p", { class: "muted" }, "No replica has announced itself yet."));
    return;
  }
  fill(
    byId("replicas"),
    table(
      "The replicas that share this cache",
      [
        {
          label: "Replica",
          cell: (one) => [
            make(
              "span",
              {},
              `${one.host}:${one.pid}${one.worker == null ? "" : ` worker ${one.worker}`}`,
            ),
            one.is_self && make("span", { class: "muted" }, " (this one)"),
          ],
        },
        { label: "Version", cell: (one) => one.version },
        { label: "Up for", cell: (one) => span(now - one.started_at) },
        { label: "Seen", cell: (one) => `${span(now - one.seen_at)} ago` },
        { label: "Changes behind", numeric: true, cell: (one) => count(one.position_lag) },
        {
          label: "Entries",
          wide: true,
          cell: (one) =>
            Object.entries(one.entries ?? {})
              .map(([tier, many]) => `${tier} ${count(/** @type {number | null} */ (many))}`)
              .join(", "),
        },
        { label: "Parts", cell: (one) => partsOf(one.parts ?? {}) },
        {
          label: "Configuration",
          cell: (one) => make("span", { class: "id" }, short(one.config_digest)),
        },
      ],
      replicas,
    ),
  );
}

/** @param {Record<string, string>} parts */
function partsOf(parts) {
  const bad = Object.entries(parts).filter(([, state]) => state !== "ok");
  if (bad.length === 0) return make("span", { class: "tag tag-passes" }, "ok");
  return bad.map(([name, state]) => make("span", { class: "tag tag-trouble", title: state }, name));
}

/** @param {any} settings */
export function showReload(settings) {
  drawReload(settings.reload ?? null, settings.file ?? null);
}

/** @param {any} last @param {string | null} [file] */
function drawReload(last, file) {
  const from =
    file === undefined
      ? []
      : [/** @type {[string, string]} */ (["File", file ?? "none: defaults and the environment"])];
  if (last === null) {
    fill(byId("reload"), facts([...from, ["Last reload", "none since the start"]]));
    return;
  }
  fill(
    byId("reload"),
    facts([
      ...from,
      [
        "Last reload",
        [
          make(
            "span",
            { class: `tag tag-${last.ok ? "passes" : "trouble"}` },
            last.ok ? "in force" : "refused",
          ),
          ` ${date(last.at)}, by ${last.by}`,
        ],
      ],
      ["Changed", last.changed?.join(", ") || "nothing"],
      ...(last.needs_restart?.length
        ? [/** @type {[string, string]} */ (["Needs a restart", last.needs_restart.join(", ")])]
        : []),
      ...(last.unreached_workers
        ? [
            /** @type {[string, string]} */ ([
              "Did not answer",
              `${plural(last.unreached_workers, "worker")}, which may follow the old one`,
            ]),
          ]
        : []),
      ...(last.problems?.length
        ? [
            /** @type {[string, any]} */ ([
              "Problems",
              last.problems.map((/** @type {string} */ one) =>
                make("p", { class: "problem" }, one),
              ),
            ]),
          ]
        : []),
    ]),
  );
}

async function reload() {
  byId("reload-now").disabled = true;
  try {
    drawReload(await api.post("config/reload"));
  } catch (error) {
    const text = error instanceof ApiProblem ? error.message : String(error);
    fill(
      byId("reload"),
      make("p", { class: "problem", role: "alert" }, text),
      make("p", { class: "muted" }, "What was in force still is."),
    );
  } finally {
    byId("reload-now").disabled = false;
  }
}

/** @param {boolean | null} isLive Null before it is known. */
export function showConnection(isLive) {
  const element = byId("connection");
  element.hidden = false;
  element.dataset.state = isLive === null ? "begin" : isLive ? "live" : "away";
  say(element, isLive === null ? "Connecting" : isLive ? "Live" : "Reconnecting");
}
