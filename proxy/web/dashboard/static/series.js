// From the steps that `/admin/v1/history` tells to what charts draw.

/**
 * One step of time.
 * @typedef {object} Point
 * @property {number} at Seconds since the epoch, of its start.
 * @property {Record<string, number>} requests By result.
 * @property {Record<string, number>} tiers Hits, by tier.
 * @property {Record<string, {p50: number, p99: number}>} latency_ms By source.
 */

const NOT_LOOKED_UP = "BYPASS";

/** @param {Record<string, number>} into @param {Record<string, number>} more */
function add(into, more) {
  for (const [name, many] of Object.entries(more)) into[name] = (into[name] ?? 0) + many;
}

/**
 * The same in at most so many steps, each of as many as it takes.
 * @param {Point[]} points @param {number} most
 * @returns {{at: number, requests: Record<string, number>, tiers: Record<string, number>}[]}
 */
export function joined(points, most) {
  const size = Math.max(1, Math.ceil(points.length / most));
  const steps = [];
  for (let at = 0; at < points.length; at += size) {
    const step = { at: points[at].at, requests: {}, tiers: {} };
    for (const point of points.slice(at, at + size)) {
      add(step.requests, point.requests);
      add(step.tiers, point.tiers);
    }
    steps.push(step);
  }
  return steps;
}

/**
 * Which share of the requests that were looked up each source answered.
 * @param {{requests: Record<string, number>, tiers: Record<string, number>}[]} steps
 * @param {string[]} sources Tiers, and `origin`.
 * @returns {(number | null)[][]} A list for each source; null for steps without a request.
 */
export function shares(steps, sources) {
  return sources.map((source) =>
    steps.map(({ requests, tiers }) => {
      const looked = Object.entries(requests).reduce(
        (sum, [result, many]) => (result === NOT_LOOKED_UP ? sum : sum + many),
        0,
      );
      const cached = Object.values(tiers).reduce((sum, many) => sum + many, 0);
      if (looked === 0) return null;
      const many = source === "origin" ? Math.max(0, looked - cached) : (tiers[source] ?? 0);
      return many / looked;
    }),
  );
}

/**
 * @param {Point[]} points @param {string[]} sources @param {"p50" | "p99"} quantile
 * @returns {(number | null)[][]} Milliseconds, a list for each source.
 */
export function latencies(points, sources, quantile) {
  return sources.map((source) => points.map((one) => one.latency_ms[source]?.[quantile] || null));
}
