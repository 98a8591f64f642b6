// What the dashboard works out by itself: no browser is needed for that.

import assert from "node:assert/strict";
import { test } from "node:test";

const STATIC = new URL("../../../proxy/web/dashboard/static/", import.meta.url);
const load = (name) => import(new URL(name, STATIC));
const { EventParser } = await load("sse.js");
const { joined, latencies, shares } = await load("series.js");
const { bySimilarity, byProbability, probabilityInWords, similarityInWords } =
  await load("whatif.js");
const format = await load("format.js");

const TOLD = {
  looked: 40,
  in_force: { floor: 0.7, threshold: null, min_probability: 0.65, embedder: "e", verifier: "v" },
  bin: 0.005,
  similarity: {
    hits: [
      [0.7, 2],
      [0.8, 3],
      [0.925, 7],
      [0.93, 20],
    ],
    unsure: [[0.8, 4]],
    vetoes: [
      [0.9, 1],
      [0.95, 2],
    ],
    near: [
      [0.6, 5],
      [0.66, 9],
      [0.695, 1],
    ],
  },
  vetoes_by_reason: {},
  probability: {
    hits: [
      [0.65, 4],
      [0.9, 28],
    ],
    unsure: [
      [0.3, 1],
      [0.6, 3],
    ],
  },
};

test("a stricter similarity loses the hits below it, and spares the verifier those pairs", () => {
  assert.deepEqual(bySimilarity(TOLD, 0.93), { lost: 12, spared: 17, more: 0 });
  assert.equal(similarityInWords(TOLD, 0.93), "At 0.930: 12 fewer hits, 17 fewer pairs to verify.");
});

test("a looser one adds pairs of which nobody knows yet what they are", () => {
  assert.deepEqual(bySimilarity(TOLD, 0.65), { lost: 0, spared: 0, more: 10 });
  assert.match(
    similarityInWords(TOLD, 0.65),
    /^At 0\.650: 10 more pairs to verify; .* not known\.$/,
  );
});

test("the one in force changes nothing", () => {
  assert.deepEqual(bySimilarity(TOLD, 0.7), { lost: 0, spared: 0, more: 0 });
  assert.equal(
    similarityInWords(TOLD, 0.7),
    "0.700 is in force: 32 hits of 40 questions looked up.",
  );
});

test("another probability loses the least certain hits, or adds some", () => {
  assert.deepEqual(byProbability(TOLD, 0.9), { lost: 4, gained: 0 });
  assert.deepEqual(byProbability(TOLD, 0.5), { lost: 0, gained: 3 });
  assert.equal(probabilityInWords(TOLD, 0.5), "At 0.50: 3 more hits, the least certain ones.");
});

test("of a value between two edges no hit is forgotten", () => {
  const force = { ...TOLD.in_force, floor: 0.8013, min_probability: 0.97 };
  const told = { ...TOLD, in_force: force, probability: { hits: [[0.95, 6], [1, 1]], unsure: [] } };
  assert.deepEqual(bySimilarity(told, 0.93), { lost: 10, spared: 15, more: 0 });
  assert.deepEqual(byProbability(told, 1), { lost: 6, gained: 0 });
  assert.match(probabilityInWords(told, 0.97), /^0\.97 is in force: 7 hits/);
});

test("where nothing verifies, the threshold is what is moved", () => {
  const alone = {
    ...TOLD,
    in_force: { ...TOLD.in_force, threshold: 0.88, min_probability: null, verifier: null },
  };
  assert.equal(similarityInWords(alone, 0.93), "At 0.930: 7 fewer hits, 8 fewer pairs to judge.");
});

test("events are the same however the stream is cut", () => {
  const stream =
    'id: 1-4\n\n: alive\r\nid: 1-5\r\nevent: request\r\ndata: {"a":\ndata: 1}\r\n\r\ndata:x\n\n';
  for (let size = 1; size <= stream.length; size += 1) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < stream.length; at += size)
      events.push(...parser.push(stream.slice(at, at + size)));
    assert.deepEqual(events, [
      { type: "request", data: '{"a":\n1}' },
      { type: "message", data: "x" },
    ]);
    assert.equal(parser.lastId, "1-5");
  }
});

test("an id without data is kept, and an event that has not ended is not told", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push("id: 7\n\nevent: request\ndata: half"), []);
  assert.equal(parser.lastId, "7");
});

const POINTS = [
  {
    at: 0,
    requests: { HIT: 3, MISS: 1 },
    tiers: { session: 2, vector: 1 },
    latency_ms: { origin: { p50: 9, p99: 20 } },
  },
  { at: 10, requests: { BYPASS: 5 }, tiers: {}, latency_ms: {} },
  { at: 20, requests: { MISS: 4 }, tiers: {}, latency_ms: { origin: { p50: 8, p99: 30 } } },
];

test("shares are of the requests that were looked up", () => {
  assert.deepEqual(shares(POINTS, ["session", "vector", "origin"]), [
    [0.5, null, 0],
    [0.25, null, 0],
    [0.25, null, 1],
  ]);
});

test("steps are joined without losing a request", () => {
  assert.deepEqual(joined(POINTS, 2), [
    { at: 0, requests: { HIT: 3, MISS: 1, BYPASS: 5 }, tiers: { session: 2, vector: 1 } },
    { at: 20, requests: { MISS: 4 }, tiers: {} },
  ]);
});

test("a step without requests has no latency", () => {
  assert.deepEqual(latencies(POINTS, ["origin"], "p99"), [[20, null, 30]]);
});

test("numbers read as people write them", () => {
  assert.deepEqual([0, 0.008, 0.62, 1, null].map(format.percent), [
    "0 %",
    "0.8 %",
    "62 %",
    "100 %",
    "–",
  ]);
  assert.deepEqual([0, 0.00042, 0.00001, 3.2, 1204.4, -2].map(format.usd), [
    "$0.00",
    "$0.0004",
    "<$0.0001",
    "$3.20",
    "$1,204",
    "−$2.00",
  ]);
  assert.deepEqual([0.42, 1.26, 12.3, 1840, 12_400].map(format.duration), [
    "0.42 ms",
    "1.3 ms",
    "12 ms",
    "1.8 s",
    "12 s",
  ]);
  assert.deepEqual([40, 720, 9000, 400_000].map(format.span), ["40 s", "12 min", "3 h", "5 days"]);
  assert.deepEqual(
    [1, 2].map((many) => format.plural(many, "entry", "entries")),
    ["1 entry", "2 entries"],
  );
});
