// Follows `/admin/v1/events`, and comes back when it breaks off.

import { ApiProblem } from "./api.js";
import { EventParser } from "./sse.js";

const SILENCE_MS = 45_000; // three of the stream's signs of life
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/**
 * Calls back with every event, until it is refused.
 * @param {import("./api.js").Api} api
 * @param {(type: string, data: any) => void} onEvent
 * @param {(isLive: boolean) => void} onState
 * @param {() => void} onRefused The token is no longer taken.
 */
export async function follow(api, onEvent, onState, onRefused) {
  let last = "";
  let wait = FIRST_WAIT_MS;
  for (;;) {
    try {
      await read(
        api,
        last,
        (events, id) => {
          last = id || last;
          events.forEach((one) => onEvent(one.type, JSON.parse(one.data)));
        },
        () => {
          wait = FIRST_WAIT_MS;
          onState(true);
        },
      );
    } catch (error) {
      if (error instanceof ApiProblem && error.isRefused) return onRefused();
    }
    onState(false);
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

/**
 * Reads one reply to its end, or until it has been silent for too long.
 * @param {import("./api.js").Api} api
 * @param {string} last The id of the last event that came.
 * @param {(events: import("./sse.js").ServerEvent[], id: string) => void} onSome Those that came,
 *   and the last id.
 * @param {() => void} onOpen
 */
async function read(api, last, onSome, onOpen) {
  const silent = new AbortController();
  const end = () => silent.abort();
  let watch = setTimeout(end, SILENCE_MS);
  try {
    const reply = await api.open("events", last ? { "last-event-id": last } : {}, silent.signal);
    onOpen();
    const parser = new EventParser();
    const decoder = new TextDecoder();
    const reader = /** @type {ReadableStream<Uint8Array>} */ (reply.body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(end, SILENCE_MS);
      onSome(parser.push(decoder.decode(value, { stream: true })), parser.lastId);
    }
  } finally {
    clearTimeout(watch);
  }
}
