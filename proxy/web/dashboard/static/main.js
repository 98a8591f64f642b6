// The page: signing in, and what asks the proxy when.

import { Api, ApiProblem } from "./api.js";
import { byId, say } from "./dom.js";
import * as entries from "./entries.js";
import * as explain from "./explain.js";
import { showHistory } from "./history.js";
import { showDecisions } from "./judgement.js";
import { follow } from "./live.js";
import * as operation from "./operation.js";
import { showStats } from "./overview.js";
import * as purge from "./purge.js";
import * as requests from "./requests.js";
import { chooseBy } from "./theme.js";

const TOKEN = "reprise.token"; // of this tab, in its session storage
const SAID = "reprise.said"; // why it was signed out
const REFUSED = "The admin token is no longer taken.";
const OWN_CALL = "admin_act"; // the event of every call, and so of those that events cause
const SOON_MS = 800; // after a request, figures are asked for: by many requests only once
const OFTEN_MS = 5_000;
const SELDOM_MS = 15_000;
const REQUESTS_AT_FIRST = 60;

/** What is wrong, by the call that failed. */
/** @type {Map<() => Promise<void>, string>} */
const troubles = new Map();

chooseBy(byId("theme"));
byId("signin").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  void signIn(byId("token").value.trim());
});
byId("leave").addEventListener("click", () => signOut(""));
say(byId("signin-problem"), sessionStorage.getItem(SAID) ?? "");
sessionStorage.removeItem(SAID);
const kept = sessionStorage.getItem(TOKEN);
if (kept) void signIn(kept);
else byId("token").focus();

/** @param {string} token */
async function signIn(token) {
  const api = new Api(token);
  try {
    showStats(await api.get("stats"), Date.now() / 1000);
  } catch (error) {
    refused(error);
    return;
  }
  sessionStorage.setItem(TOKEN, token);
  byId("token").value = "";
  byId("entrance").hidden = true;
  for (const id of ["board", "sections", "leave"]) byId(id).hidden = false;
  begin(api);
}

/** @param {unknown} error */
function refused(error) {
  if (!(error instanceof ApiProblem)) throw error;
  if (error.isRefused) sessionStorage.removeItem(TOKEN);
  say(
    byId("signin-problem"),
    error.isRefused
      ? "This is not the admin token."
      : error.status === 0
        ? `${error.message} Try again.`
        : error.message,
  );
  byId("token").focus();
}

/**
 * Forgets the token, and with the page all that it has shown.
 * @param {string} why A sentence, or nothing.
 */
function signOut(why) {
  sessionStorage.removeItem(TOKEN);
  sessionStorage.setItem(SAID, why);
  location.reload();
}

/** Starts all that asks. @param {Api} api */
function begin(api) {
  const refresh = {
    stats: asking(async () => {
      const stats = await api.get("stats");
      showStats(stats, Date.now() / 1000);
      operation.showParts(stats);
    }),
    history: asking(async () =>
      showHistory(await api.get("history", { minutes: byId("range").value })),
    ),
    decisions: asking(async () =>
      showDecisions(
        await api.get("decisions", { namespace: byId("judgement-namespace").value.trim() }),
      ),
    ),
    replicas: asking(async () =>
      operation.showReplicas((await api.get("replicas")).data, Date.now() / 1000),
    ),
    config: asking(async () => operation.showReload(await api.get("config"))),
    requests: asking(async () =>
      requests.showRequests((await api.get("requests", { limit: REQUESTS_AT_FIRST })).data),
    ),
  };
  byId("range").addEventListener("change", refresh.history);
  byId("judgement-namespace").addEventListener("change", refresh.decisions);
  requests.start({ entry: entries.open, explain: explain.fillIn });
  entries.start(api);
  explain.start(api, entries.open);
  purge.start(api);
  operation.start(api);
  operation.showConnection(null);
  const everything = () => Object.values(refresh).forEach((one) => one());
  everything();
  let wasAway = false;
  const soon = once(refresh.stats, SOON_MS);
  const later = once(() => {
    refresh.history();
    refresh.decisions();
  }, OFTEN_MS);
  every(OFTEN_MS, refresh.stats);
  every(SELDOM_MS, () => {
    refresh.history();
    refresh.decisions();
    refresh.replicas();
    refresh.config();
  });
  follow(
    api,
    (type, data) => {
      if (type === "request") {
        requests.addRequest(data);
        later();
      } else if (type === "dropped") {
        refresh.requests();
      }
      if (data.name !== OWN_CALL) soon();
    },
    (isLive) => {
      operation.showConnection(isLive);
      if (isLive && wasAway) everything();
      wasAway = !isLive;
    },
    () => signOut(REFUSED),
  );
}

/**
 * A call whose failure is said at the top until it works again, or ends the session.
 * @param {() => Promise<void>} call
 */
function asking(call) {
  return async () => {
    try {
      await call();
      troubles.delete(call);
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error;
      if (error.isRefused) return signOut(REFUSED);
      troubles.set(call, error.message);
    }
    say(byId("trouble"), [...new Set(troubles.values())].join(" "));
  };
}

/** Calls again and again, while the page is seen. @param {number} ms @param {() => void} call */
function every(ms, call) {
  setInterval(() => {
    if (!document.hidden) call();
  }, ms);
}

/**
 * However often it is called, one call in this time.
 * @param {() => void} call @param {number} ms
 */
function once(call, ms) {
  let timer = 0;
  return () => {
    timer ||= window.setTimeout(() => {
      timer = 0;
      call();
    }, ms);
  };
}
