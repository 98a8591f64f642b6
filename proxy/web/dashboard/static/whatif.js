// What another threshold would have changed, of the decisions that were counted.

/** @typedef {[number, number][]} Bins Lower edge and count of each bin that is not empty. */
/**
 * What `/admin/v1/decisions` tells.
 * @typedef {object} Decisions
 * @property {number | null} since
 * @property {number} looked
 * @property {{floor: number | null, threshold: number | null, min_probability: number | null,
 *   embedder: string | null, verifier: string | null}} in_force All null: nothing is reworded.
 * @property {number} bin
 * @property {{hits: Bins, unsure: Bins, vetoes: Bins, near: Bins}} similarity
 * @property {Record<string, number>} vetoes_by_reason
 * @property {{hits: Bins, unsure: Bins}} probability
 */

export const PROBABILITY_BIN = 0.05;
const HAIR = 1e-6; // edges are multiples of a bin's width, but for rounding

/**
 * How many lie from one level up to below another.
 * @param {Bins} bins @param {number} from @param {number} below
 */
export function between(bins, from, below) {
  return bins.reduce(
    (sum, [edge, many]) => (edge >= from - HAIR && edge < below - HAIR ? sum + many : sum),
    0,
  );
}

/** The lower edge of the bin that a value is in. @param {number} value @param {number} width */
function edgeOf(value, width) {
  return Math.floor(value / width + HAIR) * width;
}

/** @param {Bins} bins */
export function total(bins) {
  return bins.reduce((sum, [, many]) => sum + many, 0);
}

/**
 * The similarity that a neighbour must have to be looked at or, without a verifier, to answer.
 * @param {Decisions} told
 */
export function leastSimilarity(told) {
  return told.in_force.threshold ?? told.in_force.floor ?? 1;
}

/**
 * What would have been otherwise with another least similarity.
 * @param {Decisions} told @param {number} level
 * @returns {{lost: number, spared: number, more: number}} Fewer hits; fewer pairs for the guards
 *   and the verifier; more pairs for them.
 */
export function bySimilarity(told, level) {
  const now = leastSimilarity(told);
  const from = edgeOf(now, told.bin);
  const { hits, unsure, vetoes, near } = told.similarity;
  const lost = between(hits, from, level);
  return {
    lost,
    spared: lost + between(unsure, from, level) + between(vetoes, from, level),
    more: between(near, level, now),
  };
}

/**
 * What would have been otherwise with another least probability.
 * @param {Decisions} told @param {number} level
 * @returns {{lost: number, gained: number}} Fewer hits; more hits, of which the verifier was less
 *   sure.
 */
export function byProbability(told, level) {
  const now = told.in_force.min_probability ?? 0;
  return {
    lost: between(told.probability.hits, edgeOf(now, PROBABILITY_BIN), level),
    gained: between(told.probability.unsure, level, now),
  };
}

/** @param {number} many @param {string} one */
function some(many, one) {
  return `${many.toLocaleString("en")} ${one}${many === 1 ? "" : "s"}`;
}

/**
 * The same in words.
 * @param {Decisions} told @param {number} level
 */
export function similarityInWords(told, level) {
  const now = leastSimilarity(told);
  const at = level.toFixed(3);
  if (Math.abs(level - now) < told.bin / 2) {
    const hits = some(total(told.similarity.hits), "hit");
    return `${now.toFixed(3)} is in force: ${hits} of ${some(told.looked, "question")} looked up.`;
  }
  const { lost, spared, more } = bySimilarity(told, level);
  const read = told.in_force.verifier ? "to verify" : "to judge";
  if (level > now) return `At ${at}: ${fewer(lost, "hit")}, ${fewer(spared, "pair")} ${read}.`;
  if (more === 0) return `At ${at}: nothing else, as far as was counted.`;
  return (
    `At ${at}: ${more.toLocaleString("en")} more ${more === 1 ? "pair" : "pairs"} ${read}; ` +
    "which of them would be hits is not known."
  );
}

/**
 * @param {Decisions} told @param {number} level
 */
export function probabilityInWords(told, level) {
  const now = told.in_force.min_probability ?? 0;
  const at = level.toFixed(2);
  if (Math.abs(level - now) < PROBABILITY_BIN / 2) {
    return (
      `${now.toFixed(2)} is in force: ${some(total(told.probability.hits), "hit")}, ` +
      `${some(total(told.probability.unsure), "pair")} turned away.`
    );
  }
  const { lost, gained } = byProbability(told, level);
  if (level > now) return `At ${at}: ${fewer(lost, "hit")}.`;
  return (
    `At ${at}: ${gained.toLocaleString("en")} more ${gained === 1 ? "hit" : "hits"}, ` +
    "the least certain ones."
  );
}

/** @param {number} many @param {string} one */
function fewer(many, one) {
  const noun = many === 1 ? one : `${one}s`;
  return many === 0 ? `no fewer ${one}s` : `${many.toLocaleString("en")} fewer ${noun}`;
}
