// Similarities and probabilities, and what another threshold would change.

import { Chart } from "./chart.js";
import { byId, fill, make, say } from "./dom.js";
import { clock, count, percent, plural } from "./format.js";
import {
  PROBABILITY_BIN,
  between,
  leastSimilarity,
  probabilityInWords,
  similarityInWords,
  total,
} from "./whatif.js";

/** @typedef {import("./whatif.js").Decisions} Decisions */

const LOWEST_SHOWN = 0.5; // far below it nothing is alike
const MOST_REASONS = 8;
const MARGIN = 0.2; // below the least similarity, where that is lower
const OFF = "Only exact repeats are answered: cache.vector is off, or nothing embeds.";
const NONE =
  "No neighbour has been looked at yet. Ask something twice in different words, and its " +
  "similarity shows here.";

/** @type {Decisions | null} */
let told = null;
/** What the sliders were moved to; null where they follow what is in force. */
/** @type {{similarity: number | null, probability: number | null}} */
const chosen = { similarity: null, probability: null };

const similarity = new Chart(byId("similarity-chart"), {
  kind: "bars",
  series: [
    { label: "hits", colour: "session" },
    { label: "verifier unsure", colour: "unsure" },
    { label: "vetoed", colour: "veto" },
    { label: "too far", colour: "origin" },
  ],
  xLabel: "Similarity from",
  xFormat: (at) => at.toFixed(2),
  xName: (at) => at.toFixed(3),
  whole: true,
  yFormat: (value) => count(Math.round(value)),
  marks: () => (told ? marks(leastSimilarity(told), chosen.similarity) : []),
  empty: "Nothing to show yet.",
});

const probability = new Chart(byId("probability-chart"), {
  kind: "bars",
  series: [
    { label: "hits", colour: "session" },
    { label: "turned away", colour: "unsure" },
  ],
  xLabel: "Probability from",
  xFormat: (at) => at.toFixed(2),
  whole: true,
  yFormat: (value) => count(Math.round(value)),
  marks: () =>
    told?.in_force.min_probability == null
      ? []
      : marks(told.in_force.min_probability, chosen.probability),
  empty: "The verifier has not been asked yet.",
});

byId("similarity-level").addEventListener("input", (/** @type {any} */ event) => {
  chosen.similarity = event.target.valueAsNumber;
  similarity.mark();
  sayChanges();
});
byId("probability-level").addEventListener("input", (/** @type {any} */ event) => {
  chosen.probability = event.target.valueAsNumber;
  probability.mark();
  sayChanges();
});

/** @param {number} now @param {number | null} moved */
function marks(now, moved) {
  const lines = [{ at: now, colour: "ink", dashed: true }];
  return moved === null ? lines : [...lines, { at: moved, colour: "accent" }];
}

/** @param {Decisions} decisions */
export function showDecisions(decisions) {
  told = decisions;
  const isOff = decisions.in_force.floor === null;
  const isEmpty = isOff || decisions.looked === 0;
  byId("judgement-full").hidden = isEmpty;
  byId("judgement-empty").hidden = !isEmpty;
  say(byId("judgement-empty"), isOff ? OFF : NONE);
  if (isOff) return;
  sayCounted(decisions);
  if (isEmpty) return;
  drawSimilarity(decisions);
  drawProbability(decisions);
  showVetoes(decisions.vetoes_by_reason);
  sayChanges();
}

/** @param {Decisions} decisions */
function sayCounted(decisions) {
  const { looked, since, in_force: force } = decisions;
  const from = since == null ? "" : ` since ${clock(since)}`;
  const embedder = force.embedder ?? "an embedder that is away";
  const by = force.verifier ? `${embedder}, verified by ${force.verifier}` : embedder;
  say(byId("judgement-said"), `${plural(looked, "question")} looked up${from}, by ${by}`);
}

/** @param {Decisions} decisions */
function drawSimilarity(decisions) {
  const { hits, unsure, vetoes, near } = decisions.similarity;
  const lowest = Math.max(0, Math.min(LOWEST_SHOWN, leastSimilarity(decisions) - MARGIN));
  const [x, ys] = aligned([hits, unsure, vetoes, near], decisions.bin, lowest);
  const left = between(near, -1, lowest);
  say(
    byId("similarity-left"),
    left === 0
      ? ""
      : `${plural(left, "neighbour")} below ${lowest.toFixed(2)} ${left === 1 ? "is" : "are"} not drawn.`,
  );
  similarity.show(
    x,
    ys,
    `How similar the best neighbours were: ${count(total(hits))} hits, ` +
      `${count(total(unsure))} that the verifier was unsure of, ${count(total(vetoes))} vetoed, ` +
      `${count(total(near))} too far.`,
  );
  setSlider(
    "similarity-level",
    chosen.similarity ?? leastSimilarity(decisions),
    decisions.bin,
    x[0],
  );
}

/** @param {Decisions} decisions */
function drawProbability(decisions) {
  const verifies = decisions.in_force.min_probability != null;
  byId("probability-card").hidden = !verifies;
  if (!verifies) return;
  const { hits, unsure } = decisions.probability;
  const [x, ys] = aligned([hits, unsure], PROBABILITY_BIN, 0);
  probability.show(
    x,
    ys,
    `How probable the verifier found it that an answer serves: ` +
      `${count(total(hits))} hits, ${count(total(unsure))} turned away.`,
  );
  const level = chosen.probability ?? decisions.in_force.min_probability ?? 0;
  setSlider("probability-level", level, PROBABILITY_BIN, 0);
}

/**
 * Bins as columns of equal length, from the lowest edge on.
 * @param {import("./whatif.js").Bins[]} groups @param {number} width @param {number} lowest
 * @returns {[number[], number[][]]} Middles of the bins, and counts.
 */
function aligned(groups, width, lowest) {
  const from = Math.round(lowest / width);
  const many = Math.round(1 / width) - from;
  const x = Array.from({ length: many }, (_, at) => (from + at + 0.5) * width);
  const ys = groups.map((bins) => {
    const counts = new Array(many).fill(0);
    for (const [edge, number] of bins) {
      const at = Math.min(many - 1, Math.round(edge / width) - from);
      if (at >= 0) counts[at] += number;
    }
    return counts;
  });
  return [x, ys];
}

/** @param {string} id @param {number} level @param {number} step @param {number} lowest */
function setSlider(id, level, step, lowest) {
  const slider = byId(id);
  slider.min = Math.max(0, Math.floor(lowest / step) * step).toFixed(3);
  slider.step = step;
  slider.value = level;
}

function sayChanges() {
  if (!told) return;
  const { in_force: force } = told;
  const level = chosen.similarity ?? leastSimilarity(told); // the slider rounds to its steps
  say(byId("similarity-value"), level.toFixed(3));
  sayChange("similarity", similarityInWords(told, level));
  const key = force.threshold == null ? "cache.vector.floor" : "cache.vector.threshold";
  sayKey("similarity-key", key, chosen.similarity === null ? null : level.toFixed(3));
  if (force.min_probability == null) return;
  const least = chosen.probability ?? force.min_probability;
  say(byId("probability-value"), least.toFixed(2));
  sayChange("probability", probabilityInWords(told, least));
  sayKey(
    "probability-key",
    "cache.judgement.min_probability",
    chosen.probability === null ? null : least.toFixed(2),
  );
}

/**
 * Whoever does not see it hears it when the slider is moved, and not whenever figures change.
 * @param {string} name @param {string} words
 */
function sayChange(name, words) {
  say(byId(`${name}-change`), words);
  byId(`${name}-level`).setAttribute("aria-valuetext", words);
}

/** @param {string} id @param {string} key @param {string | null} value */
function sayKey(id, key, value) {
  if (value === null)
    fill(byId(id), "Move it to see what another one would change; nothing is set.");
  else fill(byId(id), "To set it: ", make("code", {}, `${key}: ${value}`), ", then reload.");
}

/** @param {Record<string, number>} reasons */
function showVetoes(reasons) {
  const sorted = Object.entries(reasons).sort(([, one], [, other]) => other - one);
  if (sorted.length === 0) {
    fill(byId("vetoes"), make("p", { class: "muted" }, "None so far."));
    return;
  }
  const all = sorted.reduce((sum, [, many]) => sum + many, 0);
  const most = sorted[0][1];
  fill(
    byId("vetoes"),
    make(
      "ul",
      { class: "reasons" },
      sorted
        .slice(0, MOST_REASONS)
        .map(([reason, many]) =>
          make(
            "li",
            {},
            make("span", {}, reason),
            make("span", {}, `${count(many)} · ${percent(many / all)}`),
            make("meter", { min: 0, max: most, value: many, "aria-label": `Vetoes by ${reason}` }),
          ),
        ),
    ),
  );
}
