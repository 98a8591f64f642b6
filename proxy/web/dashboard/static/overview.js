// The figures at the top, from `/admin/v1/stats`.

import { byId, fill, say, table } from "./dom.js";
import { compact, count, namespace, percent, plural, span, usd } from "./format.js";

const RATE_OVER_S = 30;

/** Totals of requests, each with the time it was told: the rate is between the oldest and the newest. */
/** @type {{at: number, total: number}[]} */
let totals = [];

/** @param {any} stats @param {number} now Seconds since the epoch. */
export function showStats(stats, now) {
  say(byId("since"), since(stats));
  hitRatio(stats.requests);
  savings(stats);
  rate(stats.requests.total, now);
  wrongHits(stats.wrong_hits ?? []);
}

/** @param {any} stats */
function since(stats) {
  const workers = stats.workers ? `, ${plural(stats.workers, "worker")}` : "";
  const time = stats.uptime_s == null ? "" : `, counted for ${span(stats.uptime_s)}`;
  return `Version ${stats.version}${workers}${time}`;
}

/** @param {any} requests */
function hitRatio(requests) {
  say(byId("hit-ratio"), percent(requests.hit_ratio));
  const { HIT: hits = 0, STALE: stale = 0, BYPASS: passed = 0 } = requests.by_result;
  const looked = requests.total - passed;
  say(
    byId("hit-ratio-of"),
    requests.total === 0
      ? "no request yet"
      : `${compact(hits + stale)} of ${plural(looked, "request")} looked up`,
  );
}

/** @param {any} stats */
function savings(stats) {
  const cost = stats.cost;
  say(byId("saved-usd"), usd(cost ? cost.net_usd : stats.saved_usd));
  const spent = Object.values(cost?.spent_usd ?? {}).reduce((sum, one) => sum + Number(one), 0);
  say(
    byId("saved-usd-of"),
    cost
      ? `${usd(cost.saved_usd)}, less ${usd(spent)} for calls of its own`
      : "before what the cache itself spends",
  );
  say(byId("tokens"), compact(stats.tokens.saved));
  say(byId("tokens-of"), `${compact(stats.tokens.from_origin)} came from the origin`);
}

/** @param {number} total @param {number} now */
function rate(total, now) {
  const last = totals.at(-1);
  if (last && total < last.total) totals = []; // it was started anew
  totals.push({ at: now, total });
  totals = totals.filter((one) => one.at >= now - RATE_OVER_S);
  const [first] = totals;
  const seconds = now - first.at;
  const value = seconds > 0 ? (total - first.total) / seconds : null;
  say(byId("rate"), value === null ? "–" : value.toFixed(value < 10 ? 1 : 0));
  say(byId("rate-of"), value === null ? "being measured" : `over ${span(seconds)}`);
}

/** @param {any[]} found Of each namespace. */
function wrongHits(found) {
  const audited = found.filter((one) => one.audited > 0);
  const most = audited.reduce(
    (best, one) => (one.audited > (best?.audited ?? 0) ? one : best),
    null,
  );
  say(byId("wrong"), percent(most?.rate));
  const where = most?.namespace ? ` in ${most.namespace}` : "";
  say(
    byId("wrong-of"),
    most
      ? `${percent(most.low)} to ${percent(most.high)}, ${plural(most.audited, "hit")} compared${where}`
      : "no hit compared yet: see audit_share",
  );
  byId("wrong-card").hidden = audited.length < 2;
  if (audited.length < 2) return;
  fill(
    byId("wrong-table"),
    table(
      "Wrong hits by namespace",
      [
        { label: "Namespace", cell: (row) => namespace(row.namespace) },
        { label: "Compared", numeric: true, cell: (row) => count(row.audited) },
        { label: "Wrong", numeric: true, cell: (row) => count(row.wrong) },
        { label: "Share", numeric: true, cell: (row) => percent(row.rate) },
        {
          label: "Range",
          numeric: true,
          cell: (row) => `${percent(row.low)} – ${percent(row.high)}`,
        },
      ],
      audited,
    ),
  );
}
