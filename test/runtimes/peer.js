/**
 * A WebSocket client on a raw socket: sends what a test says, keeps what comes, and tells how the connection ended. Ends with its socket, which
 * the stage destroys at the end of a sentence.
 */
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { decodeFrames, encodeFrame, OPCODES } from "./frames.js";

const FLUSHED = Buffer.from([0, 0, 0xff, 0xff]);

/**
 * @typedef {object} PeerOptions
 * @property {Readonly<Record<string, string>>} [headers]
 * @property {string} [method]
 * @property {string} [ca] the certificate to trust, for `wss:`
 * @property {{ cert: string, key: string }} [client] the certificate to show
 * @property {boolean} [answersPings]
 * @property {boolean} [answersClose]
 * @property {Uint8Array} [first] what goes out in one packet with the request
 */

/** What a server has answered to the request, and the end of the connection. */
export class Peer {
  status = 0;
  /** The answer's head and body, until it is a WebSocket. */
  text = "";
  /** @type {(string | Buffer)[]} */
  messages = [];
  /** @type {Buffer[]} */
  pings = [];
  /** @type {Buffer[]} */
  pongs = [];
  /** Whether the last message came compressed. */
  isCompressed = false;
  /** @type {{ code: number, reason: string } | undefined} the close frame */
  farewell;
  /** @type {{ code: number, reason: string } | undefined} 1006 for an end without a close frame */
  ending;
  /** @type {Buffer} */
  #bytes = Buffer.alloc(0);
  /** @type {PeerOptions} */
  #options;
  /** @type {() => void} */
  #wake = () => {};

  /**
   * @param {string} url
   * @param {PeerOptions} [options]
   */
  constructor(url, options = {}) {
    const { port, hostname, protocol, pathname, search } = new URL(url);
    const address = { port: Number(port), host: hostname };
    this.#options = options;
    const trust = { ca: options.ca, servername: "localhost", ...options.client };
    this.socket = protocol === "wss:" ? connectTls({ ...address, ...trust }) : connect(address);
    this.socket.on("data", (chunk) => this.#read(chunk));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.ending = this.farewell ?? { code: 1006, reason: "" };
      this.#wake();
    });
    const lines = [
      `${options.method ?? "GET"} ${pathname}${search} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      ...Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ];
    const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
    this.socket.write(Buffer.concat([head, options.first ?? Buffer.alloc(0)]));
  }

  /** @param {Buffer} chunk */
  #read(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.status !== 101) this.#readHead();
    if (this.status === 101) this.#readFrames();
    this.#wake();
  }

  #readHead() {
    this.text = this.#bytes.toString();
    const end = this.#bytes.indexOf("\r\n\r\n");
    if (end < 0) return;
    this.status = Number(/^HTTP\/1.1 (\d+)/.exec(this.text)?.[1]);
    if (this.status !== 101) return;
    this.text = this.text.slice(0, this.text.indexOf("\r\n\r\n"));
    this.#bytes = this.#bytes.subarray(end + 4);
  }

  #readFrames() {
    const { frames, rest } = decodeFrames(this.#bytes);
    this.#bytes = rest;
    for (const { opcode, compressed, payload } of frames) {
      if (opcode === OPCODES.text) this.messages.push(this.#inflate(payload, compressed).toString());
      if (opcode === OPCODES.binary) this.messages.push(this.#inflate(payload, compressed));
      if (opcode === OPCODES.pong) this.pongs.push(payload);
      if (opcode === OPCODES.ping) {
        this.pings.push(payload);
        if (this.#options.answersPings !== false) this.send(payload, { opcode: OPCODES.pong });
      }
      if (opcode === OPCODES.close) this.#onFarewell(payload);
    }
  }

  /**
   * @param {Buffer} payload
   * @param {boolean} compressed
   */
  #inflate(payload, compressed) {
    this.isCompressed = compressed;
    return compressed ? inflateRawSync(Buffer.concat([payload, FLUSHED]), { finishFlush: 2 }) : payload;
  }

  /** @param {Buffer} payload */
  #onFarewell(payload) {
    const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    this.farewell = { code, reason: payload.toString("utf8", 2) };
    if (this.#options.answersClose === false) return;
    this.send(payload, { opcode: OPCODES.close });
    this.socket.end();
  }

  /** The value of a header of the answer. @param {string} name */
  header(name) {
    return new RegExp(`^${name}: (.*)$`, "im").exec(this.text.replaceAll("\r", ""))?.[1];
  }

  /** The body of a refusal. */
  get body() {
    return this.text.slice(this.text.indexOf("\r\n\r\n") + 4);
  }

  /**
   * @param {string | Uint8Array} payload
   * @param {Parameters<typeof encodeFrame>[1]} [options]
   */
  send(payload, options) {
    const opcode = typeof payload === "string" ? OPCODES.text : OPCODES.binary;
    return this.socket.write(encodeFrame(payload, { opcode, ...options }));
  }

  /** @param {string} text */
  sendCompressed(text) {
    const payload = deflateRawSync(text, { finishFlush: 2 });
    this.send(payload.subarray(0, -FLUSHED.length), { opcode: OPCODES.text, compressed: true });
  }

  /** Sends a close frame. @param {number} code @param {string} reason */
  close(code = 1000, reason = "") {
    const head = Buffer.alloc(2);
    head.writeUInt16BE(code);
    this.send(Buffer.concat([head, Buffer.from(reason)]), { opcode: OPCODES.close });
  }

  /** Resets the connection. */
  cut() {
    this.socket.resetAndDestroy();
  }

  /** @returns {Promise<{ code: number, reason: string }>} */
  async closed() {
    for (;;) {
      if (this.ending !== undefined) return this.ending;
      await this.#changed();
    }
  }

  /** The next message. */
  async next() {
    for (;;) {
      const message = this.messages.shift();
      if (message !== undefined) return message;
      if (this.ending !== undefined) throw new Error(`closed with ${this.ending.code} ${this.ending.reason}`);
      await this.#changed();
    }
  }

  /** The next messages. @param {number} count */
  async take(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Resolves as soon as the server has answered the request. */
  async answered() {
    while (this.status === 0 && this.ending === undefined) await this.#changed();
  }

  /** Resolves when it holds. @param {() => boolean} holds */
  async until(holds) {
    while (!holds()) await this.#changed();
  }

  /** @returns {Promise<void>} */
  #changed() {
    return new Promise((resolve) => {
      const earlier = this.#wake;
      this.#wake = () => {
        this.#wake = () => {};
        earlier();
        resolve();
      };
    });
  }
}
