// Light, dark, or as the system has it; and the colours as a canvas needs them.

const KEY = "reprise.theme";
const SYSTEM = matchMedia("(prefers-color-scheme: dark)");
const probe = document.createElement("span");
/** @type {(() => void)[]} */
const listeners = [];
/** @type {Map<string, string>} */
let known = new Map();

/** A colour of the style sheet, such as `accent`, as it is now. @param {string} name */
export function colour(name) {
  const found = known.get(name);
  if (found) return found;
  if (!probe.isConnected) {
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(--${name})`;
  const value = getComputedStyle(probe).color;
  known.set(name, value);
  return value;
}

/** Calls back when the colours have changed. @param {() => void} listener */
export function onColours(listener) {
  listeners.push(listener);
}

/** Has a `select` choose; the choice is kept in this browser. @param {HTMLSelectElement} select */
export function chooseBy(select) {
  select.value = stored();
  apply(select.value);
  select.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, select.value);
    } catch {
      /* a browser that keeps nothing: the choice holds until the page is left */
    }
    apply(select.value);
  });
  SYSTEM.addEventListener("change", changed);
}

function stored() {
  try {
    return localStorage.getItem(KEY) ?? "auto";
  } catch {
    return "auto";
  }
}

/** @param {string} theme */
function apply(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  changed();
}

function changed() {
  known = new Map();
  listeners.forEach((listener) => listener());
}
