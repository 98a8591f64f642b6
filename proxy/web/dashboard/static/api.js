// Calls of `/admin/v1/`, and what went wrong with one, as a sentence.

const ROOT = new URL("admin/v1/", document.baseURI);
const AWAY = "The proxy does not answer.";

/** @typedef {Record<string, string | number | null | undefined>} Query */

/** A call that failed; its message is a sentence for the reader. */
export class ApiProblem extends Error {
  /**
   * @param {string} message
   * @param {number} [status] Of the reply; 0 when there was none.
   * @param {string | null} [code]
   */
  constructor(message, status = 0, code = null) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** The token is missing or wrong. */
  get isRefused() {
    return this.status === 401;
  }
}

export class Api {
  #token;

  /** @param {string} token */
  constructor(token) {
    this.#token = token;
  }

  /** @param {string} path @param {Query} [query] @returns {Promise<any>} */
  get(path, query = {}) {
    return this.#json("GET", path, query);
  }

  /** @param {string} path @param {unknown} [body] @returns {Promise<any>} */
  post(path, body) {
    return this.#json("POST", path, {}, body);
  }

  /** @param {string} path @returns {Promise<any>} */
  delete(path) {
    return this.#json("DELETE", path);
  }

  /**
   * The reply to a call whose body is read while it comes.
   * @param {string} path
   * @param {Record<string, string>} headers
   * @param {AbortSignal} signal
   */
  async open(path, headers, signal) {
    const reply = await this.#send(new URL(path, ROOT), { headers, signal });
    if (!reply.ok) throw await problemOf(reply);
    return reply;
  }

  /** @param {string} method @param {string} path @param {Query} [query] @param {unknown} [body] */
  async #json(method, path, query = {}, body) {
    const url = new URL(path, ROOT);
    for (const [name, value] of Object.entries(query)) {
      if (value != null && value !== "") url.searchParams.set(name, String(value));
    }
    const sent =
      body === undefined
        ? {}
        : {
            body: JSON.stringify(body),
            headers: { "content-type": "application/json" },
          };
    const reply = await this.#send(url, { method, ...sent });
    if (!reply.ok) throw await problemOf(reply);
    return reply.json();
  }

  /** @param {URL} url @param {RequestInit} options */
  async #send(url, options) {
    const headers = { ...options.headers, authorization: `Bearer ${this.#token}` };
    try {
      return await fetch(url, { ...options, headers, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiProblem(AWAY);
    }
  }
}

/** What a reply says is wrong. @param {Response} reply */
async function problemOf(reply) {
  const told = await reply.json().then(
    (body) => body.error,
    () => null,
  );
  const message = told?.message ?? `The proxy answered with status ${reply.status}.`;
  return new ApiProblem(message, reply.status, told?.code ?? null);
}
