// A chart with its key, and the same figures as a table for those who cannot see it.

import { fill, make, say, table } from "./dom.js";
import { colour, onColours } from "./theme.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

/**
 * One series.
 * @typedef {object} Series
 * @property {string} label
 * @property {string} colour A colour of the style sheet.
 * @property {boolean} [dashed]
 * @property {boolean} [unkeyed] Has no entry in the key.
 */
/**
 * What is drawn, and how.
 * @typedef {object} Options
 * @property {"bars" | "lines"} kind Bars are stacked.
 * @property {Series[]} series
 * @property {string} xLabel Of the table.
 * @property {(x: number) => string} xFormat
 * @property {(y: number) => string} yFormat
 * @property {boolean} [time] The x axis is of times.
 * @property {boolean} [logarithmic]
 * @property {boolean} [whole] The y axis counts.
 * @property {number} [highest] Of the y axis.
 * @property {(x: number) => string} [xName] In the table and the key; `xFormat` otherwise.
 * @property {() => {at: number, colour: string, dashed?: boolean}[]} [marks] Upright lines.
 * @property {string} empty Said where there is nothing to draw.
 */

const HEIGHT = 200; // pixels, axes included
const HEADROOM = 1.08;
const TIMES = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600]; // seconds between labels
const WHOLE = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((power) =>
  [1, 2, 5].map((one) => one * 10 ** power),
);

export class Chart {
  #options;
  /** @type {uPlot | null} */
  #plot = null;
  #canvas = make("div", { role: "img" });
  #empty;
  #keys = make("ul", { class: "keys" });
  /** @type {Map<Series, HTMLElement>} */
  #values = new Map();
  #table = make("div", { tabindex: "0", role: "region", "aria-label": "The figures of the chart" });
  #details;
  /** @type {number[]} */
  #x = [];
  /** @type {(number | null)[][]} */
  #ys = [];

  /** @param {Element} host @param {Options} options */
  constructor(host, options) {
    this.#options = options;
    this.#empty = make("p", { class: "empty", hidden: true }, options.empty);
    this.#details = make(
      "details",
      { class: "data", ontoggle: () => this.#tabulate() },
      make("summary", {}, "As a table"),
      this.#table,
    );
    for (const one of options.series.filter((series) => !series.unkeyed)) {
      const value = make("b");
      this.#values.set(one, value);
      this.#keys.append(
        make(
          "li",
          {},
          make("span", { class: `swatch swatch-${one.colour}` }),
          `${one.label} `,
          value,
        ),
      );
    }
    host.classList.add("chart");
    fill(host, this.#canvas, this.#empty, this.#keys, this.#details);
    new ResizeObserver(() => this.#fit()).observe(host);
    onColours(() => this.#plot?.redraw());
  }

  /**
   * Draws other figures.
   * @param {number[]} x Ascending.
   * @param {(number | null)[][]} ys Each series' values.
   * @param {string} summary What a picture's alternative text says.
   */
  show(x, ys, summary) {
    this.#x = x;
    this.#ys = ys;
    const isEmpty = !ys.some((one) => one.some((value) => value != null && value !== 0));
    this.#empty.hidden = !isEmpty;
    this.#canvas.hidden = this.#keys.hidden = this.#details.hidden = isEmpty;
    if (isEmpty) return;
    this.#canvas.setAttribute("aria-label", summary);
    const data = this.#data();
    if (this.#plot) this.#plot.setData(data);
    else this.#plot = new uPlot(this.#settings(), data, this.#canvas);
    this.#fit();
    this.#point(null);
    this.#tabulate();
  }

  /** Draws the marks anew. */
  mark() {
    this.#plot?.redraw(false);
  }

  /** @returns {any} */
  #data() {
    if (this.#options.kind === "lines") return [this.#x, ...this.#ys];
    const sums = this.#ys.map((_, number) =>
      this.#x.map((_, at) =>
        this.#ys.slice(0, number + 1).reduce((sum, one) => sum + (one[at] ?? 0), 0),
      ),
    );
    return [this.#x, ...sums.reverse()]; // the highest first: lower ones are drawn over it
  }

  /** @returns {any} */
  #settings() {
    const { kind, time = false, logarithmic, whole, highest } = this.#options;
    const drawn = kind === "bars" ? [...this.#options.series].reverse() : this.#options.series;
    return {
      width: 320,
      height: HEIGHT,
      padding: [10, 18, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { show: kind === "lines", size: 7 },
      },
      scales: {
        x: { time, range: limits((min, max) => this.#room(min, max)) },
        y: logarithmic
          ? { distr: 3 }
          : { range: limits((_, max) => [0, highest ?? HEADROOM * Math.max(max, 1)]) },
      },
      axes: [
        this.#axis(this.#options.xFormat, { size: 28, space: 48, ...(time && { incrs: TIMES }) }),
        this.#axis(this.#options.yFormat, {
          size: 56,
          space: 34,
          ...(logarithmic && { filter: powers }),
          ...(whole && { incrs: WHOLE }),
        }),
      ],
      series: [{}, ...drawn.map((one) => this.#drawing(one))],
      hooks: {
        setCursor: [(/** @type {uPlot} */ plot) => this.#point(plot.cursor.idx ?? null)],
        draw: [(/** @type {uPlot} */ plot) => this.#drawMarks(plot)],
      },
    };
  }

  /** Room for half a bar at both ends. @param {number} min @param {number} max */
  #room(min, max) {
    const step = this.#x.length > 1 ? this.#x[1] - this.#x[0] : 1;
    return this.#options.kind === "bars" ? [min - step / 2, max + step / 2] : [min, max];
  }

  /** @param {(value: number) => string} format @param {any} more */
  #axis(format, more) {
    return {
      stroke: () => colour("muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: () => colour("line"), width: 1, ...(more.filter && { filter: more.filter }) },
      ticks: { show: false },
      gap: 6,
      values: (/** @type {any} */ _, /** @type {(number | null)[]} */ splits) =>
        splits.map((one) => (one == null ? "" : format(one))),
      ...more,
    };
  }

  /** @param {Series} one @returns {any} */
  #drawing(one) {
    const stroke = () => colour(one.colour);
    if (this.#options.kind === "bars") {
      return {
        stroke,
        fill: stroke,
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars?.({ size: [0.86, 40] }),
      };
    }
    return {
      stroke,
      width: one.dashed ? 1.2 : 2,
      dash: one.dashed ? [5, 4] : undefined,
      spanGaps: true,
      points: { show: isAlone },
    };
  }

  /** @param {uPlot} plot */
  #drawMarks(plot) {
    const { left, width, top, height } = plot.bbox;
    for (const mark of this.#options.marks?.() ?? []) {
      const x = plot.valToPos(mark.at, "x", true);
      if (x < left || x > left + width) continue;
      plot.ctx.save();
      plot.ctx.strokeStyle = colour(mark.colour);
      plot.ctx.lineWidth = 2 * devicePixelRatio;
      plot.ctx.setLineDash(mark.dashed ? [4 * devicePixelRatio, 4 * devicePixelRatio] : []);
      plot.ctx.beginPath();
      plot.ctx.moveTo(x, top);
      plot.ctx.lineTo(x, top + height);
      plot.ctx.stroke();
      plot.ctx.restore();
    }
  }

  /** Has the key say the values at a place. @param {number | null} at */
  #point(at) {
    this.#options.series.forEach((one, number) => {
      const value = at === null ? null : this.#ys[number]?.[at];
      const element = this.#values.get(one);
      if (element) say(element, value == null ? "" : this.#options.yFormat(value));
    });
  }

  #fit() {
    const width = this.#canvas.clientWidth;
    if (this.#plot && width > 0 && width !== this.#plot.width) {
      this.#plot.setSize({ width, height: HEIGHT });
    }
  }

  #tabulate() {
    if (!this.#details.open) return;
    const { series, xLabel, xFormat, xName = xFormat, yFormat } = this.#options;
    const rows = this.#x
      .map((_, at) => at)
      .filter((at) => this.#ys.some((one) => one[at] != null && one[at] !== 0));
    fill(
      this.#table,
      table(
        "The figures of the chart",
        [
          { label: xLabel, cell: (at) => xName(this.#x[at]) },
          ...series.map((one, number) => ({
            label: one.label,
            numeric: true,
            cell: (/** @type {number} */ at) => {
              const value = this.#ys[number][at];
              return value == null ? "–" : yFormat(value);
            },
          })),
        ],
        rows,
      ),
    );
  }
}

/**
 * A scale's limits, made of the data's.
 * @param {(min: number, max: number) => number[]} make
 */
function limits(make) {
  return (/** @type {uPlot} */ _, /** @type {number} */ min, /** @type {number} */ max) =>
    make(min, max);
}

/**
 * Of the places on a logarithmic axis, those that are powers of ten.
 * @param {uPlot} _ @param {number[]} places
 */
function powers(_, places) {
  return places.map((one) =>
    Math.abs(Math.log10(one) - Math.round(Math.log10(one))) < 1e-9 ? one : null,
  );
}

/**
 * Whether a series has one value only, which no line shows.
 * @param {uPlot} plot @param {number} series
 */
function isAlone(plot, series) {
  return Array.from(plot.data[series]).filter((value) => value != null).length === 1;
}
