// @ts-check
/** A crowd that comes, is silent, and goes all at once. */
import { inBatches } from "./batches.js";
import { dialectOf } from "./dialects.js";
import { headerLines } from "./headers.js";
import { RawSocket } from "./socket.js";

/**
 * @typedef {object} CrowdSettings
 * @property {number} sockets
 * @property {string} headers which ones, of `headers.js`
 * @property {boolean} [isSecure] over TLS
 */

const PING = 0x89;
/** Without a payload, which no server here insists on. */
const PONG = Buffer.of(0x8a, 0x80, 0, 0, 0, 0);

export class CrowdLoad {
  #dialect;
  #headers;
  #isSecure;
  #port;
  /** @type {RawSocket[]} */
  #sockets = [];
  #times = 0;
  /** @type {Error | undefined} */
  #failure;

  /**
   * @param {number} port
   * @param {CrowdSettings} settings
   * @param {string} dialect
   */
  constructor(port, settings, dialect) {
    this.#port = port;
    this.#dialect = dialectOf(dialect);
    this.#headers = headerLines(settings.headers, port);
    this.#isSecure = settings.isSecure;
  }

  /**
   * @param {number} port
   * @param {CrowdSettings} settings
   * @param {string} dialect
   */
  static async connect(port, settings, dialect) {
    return new CrowdLoad(port, settings, dialect);
  }

  /**
   * Resolves when so many are there.
   * @param {number} count
   */
  async come(count) {
    // From another address in each process and each time: the ports of those that have left are not free for a while.
    const localAddress = `127.${1 + ((process.pid >> 8) % 254)}.${process.pid % 256}.${1 + (this.#times++ % 254)}`;
    const { greeting, path } = this.#dialect;
    const start = performance.now();
    await inBatches(count, async (i) => {
      const at = { port: this.#port, path: path(i), isSecure: this.#isSecure, localAddress };
      const opening = { ...at, headers: this.#headers, greeting };
      const socket = await RawSocket.open(opening, {
        onBytes: (_bytes, [first]) => (first === PING ? socket.write(PONG) : this.#fail("was sent something")),
        onEnd: (why) => this.#fail(why),
      });
      this.#sockets.push(socket);
    });
    if (this.#failure !== undefined) throw this.#failure;
    return { ms: performance.now() - start };
  }

  /** All go. */
  go() {
    if (this.#failure !== undefined) throw this.#failure;
    for (const socket of this.#sockets) socket.leave();
    this.#sockets = [];
  }

  /** @param {string} why */
  #fail(why) {
    this.#failure ??= new Error(`one of the crowd: ${why}`);
  }
}
