// @ts-check
/**
 * The cheapest WebSocket client there is: a TCP socket, the handshake written by hand, then bytes. All sockets of the process
 * read into the same buffer, so nothing is allocated for what arrives.
 */
import { connect } from "node:net";
import { connect as connectSecurely, createSecureContext } from "node:tls";
import { clientFrame, LENGTH_16 } from "./frame.js";

/** @typedef {(bytes: number, buffer: Buffer) => void} OnBytes so many bytes at the start of a buffer that is used again */

/**
 * @typedef {object} Opening
 * @property {number} port
 * @property {string} path
 * @property {readonly string[]} headers further lines of the request
 * @property {import("./dialects.js").Dialect["greeting"]} greeting
 * @property {boolean | undefined} [isSecure] over TLS
 * @property {string | undefined} [localAddress]
 */

const HOST = "127.0.0.1";
const HEAD_END = "\r\n\r\n";
const SWITCHING = "HTTP/1.1 101 ";
const READ_BUFFER = Buffer.alloc(65_536);
const FRAME_HEADER_BYTES = 2;
const LONG_FRAME_HEADER_BYTES = 4;

/** For all sockets: a context of its own for each would cost more than the handshake. */
const SECURE = { secureContext: createSecureContext(), rejectUnauthorized: false };

/** @param {Opening} opening */
function handshake({ port, path, headers }) {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: ${HOST}:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    // Any 16 bytes will do: nobody is on the way who could mistake the answer for another.
    "Sec-WebSocket-Key: c2VuZGFsbCBiZW5jaG1hcg==",
    "Sec-WebSocket-Version: 13",
    ...headers,
  ]
    .join("\r\n")
    .concat(HEAD_END);
}

/** Reads the answer to the handshake and the greetings of a dialect: a few small frames, so this need not be fast. */
class Beginning {
  #greeting;
  #bytes = Buffer.alloc(0);
  #hasSwitched = false;

  /** @param {Opening["greeting"]} greeting */
  constructor(greeting) {
    this.#greeting = [...greeting];
  }

  /**
   * @param {Buffer} part
   * @param {(text: string) => void} reply
   * @returns {boolean} whether all has been said
   */
  take(part, reply) {
    this.#bytes = Buffer.concat([this.#bytes, part]);
    if (!this.#hasSwitched) this.#readHead();
    if (!this.#hasSwitched) return false;
    for (let text = this.#readFrame(); text !== undefined; text = this.#readFrame()) {
      const next = this.#greeting.shift();
      if (next === undefined || !next.expect.test(text)) throw new Error(`the server said: ${text}`);
      if (next.reply !== undefined) reply(next.reply);
    }
    return this.#greeting.length === 0;
  }

  #readHead() {
    const end = this.#bytes.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#bytes.toString("latin1", 0, end);
    if (!head.startsWith(SWITCHING)) throw new Error(`the handshake was answered with: ${head.slice(0, 200)}`);
    this.#bytes = this.#bytes.subarray(end + HEAD_END.length);
    this.#hasSwitched = true;
  }

  #readFrame() {
    const [, length = Number.POSITIVE_INFINITY, high = 0, low = 0] = this.#bytes;
    const isLong = length === LENGTH_16;
    const begin = isLong ? LONG_FRAME_HEADER_BYTES : FRAME_HEADER_BYTES;
    const end = begin + (isLong ? high * 256 + low : length);
    if (this.#bytes.length < Math.max(begin, end)) return undefined;
    const text = this.#bytes.toString("utf8", begin, end);
    this.#bytes = this.#bytes.subarray(end);
    return text;
  }
}

export class RawSocket {
  #socket;

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    this.#socket = socket;
  }

  /**
   * @param {Opening} opening
   * @param {{ readonly onBytes: OnBytes, readonly onEnd: (why: string) => void }} listeners
   * @returns {Promise<RawSocket>} once the server has switched protocols and greeted
   */
  static open(opening, { onBytes, onEnd }) {
    const { port, isSecure = false, localAddress, greeting } = opening;
    return new Promise((resolve, reject) => {
      /** @type {Beginning | undefined} */
      let beginning = new Beginning(greeting);
      /** @param {number} bytes */
      const begin = (bytes) => {
        try {
          if (!beginning?.take(READ_BUFFER.subarray(0, bytes), (text) => socket.write(clientFrame(text)))) return;
          beginning = undefined;
          resolve(new RawSocket(socket));
        } catch (error) {
          socket.destroy();
          reject(error);
        }
      };
      /** @param {number} bytes */
      const callback = (bytes) => {
        if (beginning === undefined) onBytes(bytes, READ_BUFFER);
        else begin(bytes);
        return true;
      };
      const onread = { buffer: READ_BUFFER, callback };
      const to = { host: HOST, port, onread, ...(localAddress !== undefined && { localAddress }) };
      const socket = isSecure ? connectSecurely({ ...to, ...SECURE }) : connect(to);
      // A burst is written when the one before is not acknowledged: Nagle's algorithm would hold it back.
      socket.setNoDelay();
      socket.on("error", (error) => (beginning === undefined ? onEnd(error.message) : reject(error)));
      socket.on("close", () =>
        beginning === undefined ? onEnd("the server closed it") : reject(new Error("closed in the handshake")),
      );
      socket.write(handshake(opening));
    });
  }

  /** @param {Buffer} bytes */
  write(bytes) {
    this.#socket.write(bytes);
  }

  /** Writes the same again and again, as fast as the server takes it. @param {Buffer} bytes */
  flood(bytes) {
    const write = () => {
      while (this.#socket.writable && this.#socket.write(bytes));
    };
    this.#socket.on("drain", write);
    write();
  }

  /** Reads no more. */
  stall() {
    this.#socket.pause();
  }

  /** Goes without a word, as a peer whose tab is closed. */
  leave() {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }
}
