// @ts-check
/**
 * One publisher and many subscribers in a closed loop: the publisher writes a burst of messages at once, waits until every
 * subscriber has all of them, then writes the next. Bytes are counted, not parsed: that costs next to nothing, and since all
 * frames are of one size a message too many, too few, or to the publisher itself still shows.
 */
import { clientFrame, serverFrame } from "./frame.js";
import { RawSocket } from "./socket.js";

/**
 * @typedef {object} BroadcastSettings
 * @property {number} sockets the publisher and its subscribers
 * @property {number} messageBytes
 * @property {number} burst messages that the publisher sends at once
 */

/** Under the 511 that a Node server lets wait before it has accepted them. */
const CONNECTING_AT_ONCE = 100;
/** A burst takes a tenth of a second on a slow machine; with none done in so long, something is lost. */
const STALL_MS = 10_000;

/**
 * @param {string} text
 * @param {number} times
 */
const repeat = (text, times) => text.repeat(Math.ceil(times / text.length)).slice(0, times);

export class BroadcastLoad {
  #settings;
  /** What the publisher writes for a burst, and what each subscriber gets for it. */
  #sent;
  #expected;
  /** @type {RawSocket | undefined} */
  #publisher;
  #subscribers = 0;
  /** Subscribers that have not got the whole burst. */
  #waiting = 0;
  #bursts = 0;
  /** The first burst is compared with what should come, byte by byte. */
  #isFirst = true;
  #onBurst = () => {};
  /** @type {(error: Error) => void} */
  #onFailure = () => {};
  /** @type {Error | undefined} */
  #failure;

  /** @param {BroadcastSettings} settings */
  constructor(settings) {
    const { messageBytes, burst } = settings;
    const message = Buffer.from(repeat("All of them get this. ", messageBytes));
    this.#settings = settings;
    this.#sent = Buffer.concat(Array.from({ length: burst }, () => clientFrame(message)));
    this.#expected = Buffer.concat(Array.from({ length: burst }, () => serverFrame(message)));
  }

  /**
   * @param {number} port
   * @param {BroadcastSettings} settings
   */
  static async connect(port, settings) {
    const load = new BroadcastLoad(settings);
    load.#publisher = await load.#open(port, () => load.#fail("the publisher was sent something"));
    for (let left = settings.sockets - 1; left > 0; left -= CONNECTING_AT_ONCE)
      await Promise.all(Array.from({ length: Math.min(left, CONNECTING_AT_ONCE) }, () => load.#subscribe(port)));
    return load;
  }

  /** @param {number} ms */
  async run(ms) {
    const before = this.#bursts;
    const stalled = setInterval(this.#watch(), STALL_MS);
    try {
      await new Promise((resolve, reject) => {
        if (this.#failure !== undefined) return reject(this.#failure);
        this.#onFailure = reject;
        const end = performance.now() + ms;
        this.#onBurst = () => (performance.now() < end ? this.#publish() : resolve(undefined));
        this.#publish();
      });
    } finally {
      clearInterval(stalled);
    }
    return { delivered: (this.#bursts - before) * this.#settings.burst * this.#subscribers };
  }

  #publish() {
    this.#waiting = this.#subscribers;
    this.#publisher?.write(this.#sent);
  }

  /** @param {number} port */
  async #subscribe(port) {
    const size = this.#expected.length;
    let got = 0;
    await this.#open(port, (bytes, buffer) => {
      if (this.#isFirst && buffer.compare(this.#expected, got, got + bytes, 0, bytes) !== 0)
        return this.#fail("a subscriber got something else than the messages");
      got += bytes;
      if (got > size) return this.#fail(`a subscriber got ${got} bytes in place of ${size}`);
      if (got < size) return;
      got = 0;
      if (--this.#waiting === 0) this.#burstDone();
    });
    this.#subscribers++;
  }

  #burstDone() {
    this.#isFirst = false;
    this.#bursts++;
    this.#onBurst();
  }

  /**
   * @param {number} port
   * @param {import("./socket.js").OnBytes} onBytes
   */
  #open(port, onBytes) {
    return RawSocket.open(port, { onBytes, onEnd: (why) => this.#fail(`a connection ended: ${why}`) });
  }

  /** @returns a look at whether anything has happened since the last one */
  #watch() {
    let seen = this.#bursts;
    return () => {
      if (this.#bursts === seen)
        this.#fail(`stalled: ${this.#waiting} of ${this.#subscribers} subscribers lack messages of a burst`);
      seen = this.#bursts;
    };
  }

  /** @param {string} why */
  #fail(why) {
    this.#failure ??= new Error(why);
    this.#onBurst = () => {};
    this.#onFailure(this.#failure);
  }
}
