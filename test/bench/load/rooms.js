// @ts-check
/**
 * Rooms of members, some of whom talk (where there are several nodes, the members are at them in turn). In a lap, a room's talkers
 * write their bursts at once, and every member gets all that it should. In a closed loop (`run`) each room begins a lap when its
 * lap before has ended; at a fixed rate (`offer`) laps begin when they are due, in one room after the other, whatever has ended.
 */
import { inBatches } from "./batches.js";
import { ByteCounter, FrameCounter } from "./counters.js";
import { dialectOf } from "./dialects.js";
import { clientFrame, repeat, serverFrame } from "./frame.js";
import { headerLines } from "./headers.js";
import { Receipts } from "./receipts.js";
import { Room } from "./room.js";
import { RawSocket } from "./socket.js";
import { compose } from "./texts.js";

/**
 * @typedef {object} RoomsSettings
 * @property {number} rooms
 * @property {number} members of each room
 * @property {number} talkers of each room
 * @property {number} burst messages that a talker sends at once
 * @property {number} messageBytes
 * @property {boolean} [isJson] else it is prose
 * @property {number} [copies] messages that a member gets for one of a talker; 1 by default
 * @property {boolean} [hasEcho] talkers get their own messages, too
 * @property {boolean} [isDeflated] permessage-deflate is on offer
 * @property {boolean} [isSecure] over TLS
 * @property {string} [headers] which ones, of `headers.js`
 * @property {number} [flooders] sockets beside the rooms that send tiny messages without end, and are not waited for
 * @property {number} [stalled] of each room's members read nothing, and are not waited for
 */

/** The longest lap takes seconds where others use the machine, too; with none done in so long, something is lost. */
const STALL_MS = 60_000;

const NOTHING = Buffer.alloc(0);
/** A flooder writes so many frames at once: about as much as the server reads at once. */
const FLOOD_FRAMES = 8_192;

/**
 * @param {number} share
 * @returns {(values: readonly number[]) => number}
 */
const quantile = (share) => (values) =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;

/**
 * @param {readonly number[]} values
 * @param {number} parts
 */
const inParts = (values, parts) =>
  Array.from({ length: parts }, (_, i) =>
    values.slice(Math.floor((i * values.length) / parts), Math.floor(((i + 1) * values.length) / parts)),
  );

export class RoomsLoad {
  #settings;
  #dialect;
  #headers;
  /** One for each node. */
  #ports;
  /** The first one that is said. */
  #text;
  /** What a talker writes for a burst, in turn. */
  #bursts;
  /** @type {Map<number, Buffer>} what a member gets in a lap, by the number of messages */
  #expected = new Map();
  /** @type {Room[]} */
  #rooms = [];
  #laps = 0;
  #delivered = 0;
  /** @type {number[]} how long each lap of this run took */
  #times = [];
  /** @type {(room: Room, now: number) => void} */
  #onLap = () => {};
  /** @type {(error: Error) => void} */
  #onFailure = () => {};
  /** @type {Error | undefined} */
  #failure;

  /**
   * @param {number | readonly number[]} port
   * @param {RoomsSettings} settings
   * @param {string} dialect
   */
  constructor(port, settings, dialect) {
    this.#ports = [port].flat();
    this.#settings = settings;
    this.#dialect = dialectOf(dialect);
    const { subprotocol } = this.#dialect;
    const offer = subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`];
    const { headers = settings.isDeflated ? "deflate" : "none" } = settings;
    this.#headers = [...headerLines(headers, this.#portOf(0)), ...offer];
    const texts = compose(settings);
    this.#text = texts[0] ?? "";
    const frames = texts.map((text) => clientFrame(this.#dialect.toServer(text)));
    this.#bursts = frames.map((_, i) =>
      Buffer.concat(Array.from({ length: settings.burst }, (_, j) => frames[(i + j) % frames.length] ?? NOTHING)),
    );
  }

  /** All members connect. */
  async come() {
    const { rooms, members, flooders = 0 } = this.#settings;
    const start = performance.now();
    this.#rooms = Array.from({ length: rooms }, () => new Room());
    await inBatches(rooms * members, (i) => this.#join(Math.floor(i / members), i % members));
    await inBatches(flooders, () => this.#flood());
    return { ms: performance.now() - start };
  }

  /**
   * In a closed loop.
   * @param {number} ms
   */
  run(ms) {
    return this.#play((start, end) => {
      let running = this.#rooms.length;
      this.#onLap = (room, now) => {
        if (now < start + ms) this.#begin(room, now);
        else if (--running === 0) end();
      };
      for (const room of this.#rooms) this.#begin(room, performance.now());
    });
  }

  /**
   * At a fixed rate. A lap's time counts from when the lap was due, so what holds the load up is not left out of the figures.
   * @param {number} ms
   * @param {number} lapsPerSecond
   * @param {number} [parts] p50 and p99 are the medians of so many parts of the time
   */
  offer(ms, lapsPerSecond, parts = 1) {
    const count = Math.ceil((ms / 1_000) * lapsPerSecond);
    return this.#play((start, end) => {
      let ended = 0;
      this.#onLap = () => {
        if (++ended === count) end();
      };
      const dueAt = (/** @type {number} */ lap) => start + (lap / lapsPerSecond) * 1_000;
      let next = 0;
      // A timer would be up to a millisecond late. The core is the load's own, so it need not sleep.
      const beginDue = () => {
        for (const now = performance.now(); next < count && dueAt(next) <= now; next++) {
          const room = this.#rooms[next % this.#rooms.length];
          if (room !== undefined) this.#begin(room, dueAt(next));
        }
        if (next < count && this.#failure === undefined) setImmediate(beginDue);
      };
      beginDue();
    }, parts);
  }

  /**
   * @param {(start: number, end: () => void) => void} begin begins the laps, and sees to it that `end` is called
   * @param {number} [parts]
   */
  async #play(begin, parts = 1) {
    const stalled = setInterval(this.#watch(), STALL_MS);
    const start = performance.now();
    this.#delivered = 0;
    this.#times = [];
    try {
      await new Promise((resolve, reject) => {
        if (this.#failure !== undefined) return reject(this.#failure);
        this.#onFailure = reject;
        begin(start, () => resolve(undefined));
      });
    } finally {
      clearInterval(stalled);
    }
    const ms = performance.now() - start;
    const times = this.#times;
    const typical = (/** @type {number} */ share) => quantile(0.5)(inParts(times, parts).map(quantile(share)));
    return {
      laps: times.length,
      delivered: this.#delivered,
      ms,
      p50: typical(0.5),
      p99: typical(0.99),
      p999: quantile(0.999)(times),
    };
  }

  /**
   * @param {Room} room
   * @param {number} startedAt
   */
  #begin(room, startedAt) {
    room.begin(startedAt, this.#bursts[room.begun % this.#bursts.length] ?? NOTHING);
  }

  /**
   * @param {Room} room
   * @param {import("./room.js").Lap} lap
   */
  #ended(room, { startedAt }) {
    const now = performance.now();
    this.#laps++;
    this.#delivered += room.messages;
    this.#times.push(now - startedAt);
    this.#onLap(room, now);
  }

  /**
   * @param {number} number
   * @param {number} member
   */
  async #join(number, member) {
    const room = this.#rooms[number];
    if (room === undefined) return;
    const { talkers, stalled = 0, members } = this.#settings;
    const isTalker = member < talkers;
    const isStalled = member >= members - stalled;
    const messages = isStalled ? 0 : this.#messagesFor(isTalker);
    const receipts = new Receipts(this.#dialect);
    const onBytes = messages > 0 ? this.#listener(room, messages, receipts) : this.#nothing();
    // A stalled one may be closed for it.
    const onEnd = (/** @type {string} */ why) => (isStalled ? undefined : this.#fail(`a connection ended: ${why}`));
    const socket = await RawSocket.open(this.#opening(number, member), { onBytes, onEnd });
    receipts.socket = socket;
    if (isTalker) room.talkers.push(socket);
    if (isStalled) socket.stall();
    if (messages === 0) return;
    room.listeners++;
    room.messages += messages;
  }

  async #flood() {
    const socket = await RawSocket.open(this.#opening(0, 0), {
      onBytes: () => {},
      onEnd: (why) => this.#fail(`a flooder: ${why}`),
    });
    socket.flood(repeat(clientFrame("x"), FLOOD_FRAMES));
  }

  /**
   * @param {number} number
   * @param {number} member
   */
  #opening(number, member) {
    return {
      port: this.#portOf(member),
      path: this.#dialect.path(number),
      headers: this.#headers,
      greeting: this.#dialect.greeting,
      isSecure: this.#settings.isSecure,
    };
  }

  /** @param {number} member */
  #portOf(member) {
    const port = this.#ports[member % this.#ports.length];
    if (port === undefined) throw new Error("the server has no port");
    return port;
  }

  /** @param {boolean} isTalker */
  #messagesFor(isTalker) {
    const { talkers, burst, copies = 1, hasEcho = false } = this.#settings;
    return (isTalker && !hasEcho ? talkers - 1 : talkers) * burst * copies;
  }

  /** For a member that gets no messages. */
  #nothing() {
    return (/** @type {number} */ bytes, /** @type {Buffer} */ buffer) => {
      const isReceipt = this.#dialect.acknowledge !== undefined && buffer.toString("latin1", 2, 4) === "~a";
      if (!isReceipt) this.#fail(`a member was sent ${bytes} bytes that it should not get`);
    };
  }

  /**
   * @param {Room} room
   * @param {number} messages
   * @param {Receipts} receipts
   */
  #listener(room, messages, receipts) {
    const counter = this.#counter(messages);
    let done = 0;
    return (/** @type {number} */ bytes, /** @type {Buffer} */ buffer) => {
      try {
        const laps = counter.take(bytes, buffer);
        if (done + laps === room.begun && counter.isAmid()) throw new Error("a member got more than all messages");
        if (laps === 0) return;
        receipts.add(laps * messages);
        for (const end = done + laps; done < end; ) {
          const lap = room.got(done++);
          if (lap !== undefined) this.#ended(room, lap);
        }
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
      }
    };
  }

  /**
   * @param {number} messages
   * @returns {import("./counters.js").Counter}
   */
  #counter(messages) {
    const { isDeflated = false } = this.#settings;
    const text = this.#dialect.toClient(this.#text);
    if (isDeflated || this.#dialect.isGathered) return new FrameCounter(messages, text, isDeflated);
    const known = this.#expected.get(messages) ?? repeat(serverFrame(text), messages);
    this.#expected.set(messages, known);
    return new ByteCounter(known);
  }

  /** @returns a look at whether anything has happened since the last one */
  #watch() {
    let seen = this.#laps;
    return () => {
      const waiting = this.#rooms.reduce((sum, room) => sum + room.waiting, 0);
      if (this.#laps === seen) this.#fail(`stalled: ${waiting} members lack messages`);
      seen = this.#laps;
    };
  }

  /** @param {string} why */
  #fail(why) {
    this.#failure ??= new Error(why);
    this.#onFailure(this.#failure);
  }
}
