// @ts-check
/**
 * Rooms of members, some of whom talk, in closed loops (where there are several nodes, the members are at them in turn): a room's talkers write their bursts at once, wait until every member has
 * all that it should get (a lap), then write the next ones. Rooms know nothing of one another.
 */

import { inBatches } from "./batches.js";
import { ByteCounter, FrameCounter } from "./counters.js";
import { dialectOf } from "./dialects.js";
import { clientFrame, serverFrame } from "./frame.js";
import { headerLines } from "./headers.js";
import { Receipts } from "./receipts.js";
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
 * @property {number} [flooders] sockets beside the rooms that send tiny messages without end, and are not waited for
 * @property {number} [stalled] of each room's members read nothing, and are not waited for
 */

/** The longest lap takes seconds where others use the machine, too; with none done in so long, something is lost. */
const STALL_MS = 60_000;

const NOTHING = Buffer.alloc(0);
/** A flooder writes so many frames at once: about as much as the server reads at once. */
const FLOOD_FRAMES = 8_192;

/** One room: its sockets, and how far its lap is. */
class Room {
  /** @type {RawSocket[]} */
  talkers = [];
  /** How many get something. */
  listeners = 0;
  /** Messages that come in a lap, at all of them together. */
  messages = 0;
  /** Listeners that have not got all of this lap. */
  waiting = 0;
  laps = 0;
  startedAt = 0;
}

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
  /** Rooms whose lap is under way. */
  #running = 0;
  #endsAt = 0;
  #laps = 0;
  #delivered = 0;
  /** @type {number[]} how long each lap of this run took */
  #times = [];
  #onEnd = () => {};
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
    this.#headers = [...headerLines(settings.isDeflated ? "deflate" : "none", this.#portOf(0)), ...offer];
    const texts = compose(settings);
    this.#text = texts[0] ?? "";
    const frames = texts.map((text) => clientFrame(this.#dialect.toServer(text)));
    this.#bursts = frames.map((_, i) =>
      Buffer.concat(Array.from({ length: settings.burst }, (_, j) => frames[(i + j) % frames.length] ?? NOTHING)),
    );
  }

  /**
   * @param {number | readonly number[]} port
   * @param {RoomsSettings} settings
   * @param {string} dialect
   */
  static async connect(port, settings, dialect) {
    const load = new RoomsLoad(port, settings, dialect);
    const { rooms, members } = settings;
    load.#rooms = Array.from({ length: rooms }, () => new Room());
    await inBatches(rooms * members, (i) => load.#join(Math.floor(i / members), i % members));
    await inBatches(settings.flooders ?? 0, () => load.#flood());
    return load;
  }

  /** @param {number} ms */
  async run(ms) {
    const stalled = setInterval(this.#watch(), STALL_MS);
    const start = performance.now();
    this.#delivered = 0;
    this.#times = [];
    try {
      await new Promise((resolve, reject) => {
        if (this.#failure !== undefined) return reject(this.#failure);
        this.#onFailure = reject;
        this.#onEnd = () => resolve(undefined);
        this.#endsAt = start + ms;
        this.#running = this.#rooms.length;
        for (const room of this.#rooms) this.#start(room);
      });
    } finally {
      clearInterval(stalled);
    }
    const times = this.#times.sort((a, b) => a - b);
    const at = (/** @type {number} */ share) => times[Math.ceil(times.length * share) - 1] ?? Number.NaN;
    return { delivered: this.#delivered, ms: performance.now() - start, p50: at(0.5), p99: at(0.99) };
  }

  /** @param {Room} room */
  #start(room) {
    room.waiting = room.listeners;
    room.startedAt = performance.now();
    const burst = this.#bursts[room.laps++ % this.#bursts.length] ?? NOTHING;
    for (const talker of room.talkers) talker.write(burst);
  }

  /** @param {Room} room */
  #lapDone(room) {
    const now = performance.now();
    this.#laps++;
    this.#delivered += room.messages;
    this.#times.push(now - room.startedAt);
    if (now < this.#endsAt) this.#start(room);
    else if (--this.#running === 0) this.#onEnd();
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
    const opening = {
      port: this.#portOf(member),
      path: this.#dialect.path(number),
      headers: this.#headers,
      greeting: this.#dialect.greeting,
      isSecure: this.#settings.isSecure,
    };
    // A stalled one may be closed for it.
    const onEnd = (/** @type {string} */ why) => (isStalled ? undefined : this.#fail(`a connection ended: ${why}`));
    const socket = await RawSocket.open(opening, { onBytes, onEnd });
    receipts.socket = socket;
    if (isTalker) room.talkers.push(socket);
    if (isStalled) socket.stall();
    if (messages === 0) return;
    room.listeners++;
    room.messages += messages;
  }

  async #flood() {
    const opening = {
      port: this.#portOf(0),
      path: this.#dialect.path(0),
      headers: this.#headers,
      greeting: this.#dialect.greeting,
      isSecure: this.#settings.isSecure,
    };
    const socket = await RawSocket.open(opening, {
      onBytes: () => {},
      onEnd: (why) => this.#fail(`a flooder: ${why}`),
    });
    socket.flood(repeat(clientFrame("x"), FLOOD_FRAMES));
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
    return (/** @type {number} */ bytes, /** @type {Buffer} */ buffer) => {
      try {
        if (!counter.take(bytes, buffer)) return;
        receipts.add(messages);
        if (--room.waiting === 0) this.#lapDone(room);
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

/**
 * @param {Buffer} bytes
 * @param {number} times
 */
function repeat(bytes, times) {
  return Buffer.concat(Array.from({ length: times }, () => bytes));
}
