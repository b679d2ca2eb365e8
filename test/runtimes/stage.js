/** What a sentence works with: servers and peers that end with the sentence, and a limit of time. */
import { get, request } from "node:http";
import { Peer } from "./peer.js";
import { connect, serve } from "./sendall.js";

/** @typedef {{ status: number, headers: import("node:http").IncomingHttpHeaders, body: string }} Answer */
/** @typedef {[title: string, run: (stage: Stage) => Promise<void>]} Sentence */

export class Stage {
  /** @type {(() => unknown)[]} */
  #ends = [];
  #limit = new AbortController();

  /** Called at the end of the sentence, the latest first. @param {() => unknown} end */
  atEnd(end) {
    this.#ends.push(end);
  }

  /** @param {any} options as `serve` takes them; a handler that does nothing is the default */
  async serve(options) {
    const quiet = { port: 0, logger: false, handler() {} };
    if (options.routes !== undefined) Reflect.deleteProperty(quiet, "handler");
    const server = await serve({ ...quiet, ...options });
    this.atEnd(() => server.close({ drainMs: 0 }));
    return server;
  }

  /**
   * A request for a WebSocket, whatever becomes of it.
   * @param {string} url
   * @param {import("./peer.js").PeerOptions} [options]
   */
  async ask(url, options) {
    const peer = new Peer(url, options);
    this.atEnd(() => peer.socket.destroy());
    await peer.answered();
    return peer;
  }

  /**
   * An open WebSocket.
   * @param {string} url
   * @param {import("./peer.js").PeerOptions} [options]
   */
  async open(url, options) {
    const peer = await this.ask(url, options);
    if (peer.status !== 101) throw new Error(`refused: ${peer.text.split("\r\n", 1)} ${peer.body}`);
    return peer;
  }

  /** @type {typeof connect} */
  connect = (url, options) => {
    const client = connect(url, /** @type {any} */ (options));
    this.atEnd(() => client.close());
    return /** @type {any} */ (client);
  };

  /**
   * A plain request over HTTP.
   * @param {string} url
   * @param {{ method?: string, headers?: Record<string, string>, body?: string }} [options]
   * @returns {Promise<Answer>}
   */
  fetch(url, { method = "GET", headers = {}, body = "" } = {}) {
    return new Promise((resolve, reject) => {
      const asked = request(url.replace(/^ws/, "http"), { method, headers, agent: false }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
        response.on("error", reject);
      });
      asked.on("error", reject);
      asked.end(body);
    });
  }

  /**
   * A long answer, chunk by chunk.
   * @param {string} url
   * @param {(chunk: string) => void} onChunk
   */
  stream(url, onChunk) {
    const asked = get(url.replace(/^ws/, "http"), { agent: false }, (response) => {
      response.on("data", (chunk) => onChunk(String(chunk)));
      response.on("error", () => {});
    });
    asked.on("error", () => {});
    this.atEnd(() => asked.destroy());
  }

  /** Goes round the event loop until it holds. @param {() => unknown} holds */
  async until(holds) {
    while (!holds()) {
      this.#limit.signal.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /**
   * @param {Sentence[1]} run
   * @param {number} limitMs
   */
  async play(run, limitMs) {
    const { signal } = this.#limit;
    const tooLong = new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    const alarm = setTimeout(() => this.#limit.abort(new Error(`nothing more within ${limitMs} ms`)), limitMs);
    try {
      await Promise.race([run(this), tooLong]);
      await Promise.race([this.#end(), tooLong]);
    } finally {
      clearTimeout(alarm);
      this.#limit.abort(new Error("over"));
      // After a failure: at once, since the program may be over before an end that waits.
      for (const end of this.#ends.splice(0).reverse()) void Promise.resolve(end()).catch(() => {});
    }
  }

  async #end() {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

/** A promise that somebody else fulfils. */
export function gate() {
  /** @type {() => void} */
  let open = () => {};
  /** @type {Promise<void>} */
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
