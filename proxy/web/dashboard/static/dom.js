// Elements, made and found. Text is always set as text: nothing here reads HTML.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {{label: string, cell: (row: any) => Child | Child[], numeric?: boolean, wide?: boolean, tight?: boolean,
 *   unseen?: boolean}} Column */

/**
 * The element with this id; the page has it.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] Attributes; `onclick` and the like are listeners.
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  fill(element, ...children);
  return element;
}

/**
 * Gives an element these children in place of those it has.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  const wanted = children.flat(2).filter((one) => one != null && one !== false);
  element.replaceChildren(.../** @type {Node[]} */ (wanted.map(node)));
}

/** @param {any} child */
function node(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/**
 * Sets an element's text, when it is another: what has not changed is not read aloud again.
 * @param {Element} element
 * @param {string} text
 */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A table; on a narrow screen each row is a card, with the columns' names in it.
 * @param {string} caption For those who do not see it.
 * @param {Column[]} columns
 * @param {any[]} rows
 */
export function table(caption, columns, rows) {
  return make(
    "table",
    {},
    make("caption", { class: "unseen" }, caption),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        columns.map((one) =>
          make(
            "th",
            { scope: "col", class: one.numeric && "numeric" },
            one.unseen ? make("span", { class: "unseen" }, one.label) : one.label,
          ),
        ),
      ),
    ),
    make(
      "tbody",
      {},
      rows.map((row) => tableRow(columns, row)),
    ),
  );
}

/**
 * @param {Column[]} columns
 * @param {any} row
 */
export function tableRow(columns, row) {
  return make(
    "tr",
    {},
    columns.map((one) => {
      const classes = [one.numeric && "numeric", one.wide && "wide", one.tight && "tight"]
        .filter(Boolean)
        .join(" ");
      return make(
        "td",
        { "data-label": one.unseen ? null : one.label, class: classes || null },
        one.cell(row),
      );
    }),
  );
}

/**
 * Names and values.
 * @param {[string, Child | Child[]][]} pairs
 */
export function facts(pairs) {
  return make(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
  );
}
