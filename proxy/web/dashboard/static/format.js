// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const NOTHING = "–";

/** `1,234`. @param {number | null | undefined} value */
export function count(value) {
  return value == null ? NOTHING : WHOLE.format(value);
}

/** `1.2M`; small ones in full. @param {number | null | undefined} value */
export function compact(value) {
  if (value == null) return NOTHING;
  return value < 100_000 ? WHOLE.format(value) : COMPACT.format(value);
}

/** `1 entry`, `2 entries`. @param {number} value @param {string} one @param {string} [many] */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A share as `62 %`, `0.8 %`. @param {number | null | undefined} share */
export function percent(share) {
  if (share == null) return NOTHING;
  const value = share * 100;
  const digits = value !== 0 && value < 10 ? 1 : 0;
  return `${value.toFixed(digits)} %`;
}

/** `$1,204`, `$3.20`, `$0.0042`, `<$0.0001`. @param {number | null | undefined} value */
export function usd(value) {
  if (value == null) return NOTHING;
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 0.1 || size === 0 ? 2 : 4;
  const sign = value < 0 ? "−" : "";
  if (size > 0 && size < 0.00005) return `${sign}<$0.0001`;
  const shown = size.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${sign}$${shown}`;
}

/** `0.4 ms`, `12 ms`, `1.8 s`. @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms == null) return NOTHING;
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms >= 10_000 ? 0 : 1)} s`;
  return `${ms.toFixed(ms >= 10 ? 0 : ms >= 1 ? 1 : 2)} ms`;
}

/** Seconds as `40 s`, `12 min`, `3 h`, `5 days`. @param {number} seconds */
export function span(seconds) {
  const size = Math.max(0, seconds);
  if (size < 90) return `${Math.round(size)} s`;
  if (size < 5400) return `${Math.round(size / 60)} min`;
  if (size < 129_600) return `${Math.round(size / 3600)} h`;
  return `${Math.round(size / 86_400)} days`;
}

/** A cosine or a probability. @param {number | null | undefined} value @param {number} [digits] */
export function score(value, digits = 3) {
  return value == null ? NOTHING : value.toFixed(digits);
}

/** The time of day. @param {number} epoch Seconds. */
export function clock(epoch) {
  return CLOCK.format(epoch * 1000);
}

/** Date and time. @param {number | null | undefined} epoch Seconds; null for never. */
export function date(epoch) {
  return epoch == null ? "never" : DATE.format(epoch * 1000);
}

/** `840 B`, `2.1 kB`. @param {number} size */
export function bytes(size) {
  if (size < 1000) return `${size} B`;
  return size < 1e6 ? `${(size / 1000).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

/** A long id's beginning. @param {string | null | undefined} id */
export function short(id) {
  return id ? id.slice(0, 8) : NOTHING;
}

/** What a namespace is called; "" is that of requests that name none. @param {string} name */
export function namespace(name) {
  return name === "" ? "none" : name;
}
