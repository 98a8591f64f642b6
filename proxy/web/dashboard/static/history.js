// The two charts over time, from `/admin/v1/history`.

import { Chart } from "./chart.js";
import { byId } from "./dom.js";
import { duration, percent } from "./format.js";
import { joined, latencies, shares } from "./series.js";

const SHORT = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const LONG = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const SOURCES = ["session", "shared", "vector", "origin"];
const EMPTY = "No requests in this time. Send some through the proxy, and they show here.";
const MOST_BARS = 60;

const overTime = {
  time: true,
  xLabel: "Time",
  xFormat: (/** @type {number} */ at) => SHORT.format(at * 1000),
  xName: (/** @type {number} */ at) => LONG.format(at * 1000),
  empty: EMPTY,
};

const ratio = new Chart(byId("ratio-chart"), {
  ...overTime,
  kind: "bars",
  series: SOURCES.map((name) => ({ label: name, colour: name })),
  yFormat: percent,
  highest: 1,
});

const latency = new Chart(byId("latency-chart"), {
  ...overTime,
  kind: "lines",
  logarithmic: true,
  series: [
    ...SOURCES.map((name) => ({ label: name, colour: name })),
    ...SOURCES.map((name) => ({ label: `${name} p99`, colour: name, dashed: true, unkeyed: true })),
  ],
  yFormat: duration,
});

/** @param {any} history */
export function showHistory(history) {
  const points = joined(history.points, MOST_BARS);
  const parts = shares(points, SOURCES);
  ratio.show(
    points.map((one) => one.at),
    parts,
    ratioSummary(parts),
  );
  const lines = [
    ...latencies(history.points, SOURCES, "p50"),
    ...latencies(history.points, SOURCES, "p99"),
  ];
  latency.show(
    history.points.map((/** @type {any} */ one) => one.at),
    lines,
    latencySummary(lines),
  );
}

/** @param {(number | null)[]} values */
function last(values) {
  return values.findLast((value) => value != null) ?? null;
}

/** @param {(number | null)[][]} parts */
function ratioSummary(parts) {
  const said = SOURCES.map((name, number) => `${percent(last(parts[number]))} by ${name}`);
  return `Who answered, over time. Most recently ${said.join(", ")}.`;
}

/** @param {(number | null)[][]} lines */
function latencySummary(lines) {
  const said = SOURCES.map((name, number) => [name, last(lines[number])])
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${duration(/** @type {number} */ (value))}`);
  return `Latency by source, over time. Most recent medians: ${said.join(", ")}.`;
}
