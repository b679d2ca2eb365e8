// @ts-check
/**
 * Rooms of members, some of whom talk, in closed loops: a room's talkers write their bursts at once, wait until every member has
 * all that it should get (a lap), then write the next ones. Rooms know nothing of one another.
 */

import { inBatches } from "./batches.js";
import { ByteCounter, FrameCounter, MARK } from "./counters.js";
import { dialectOf } from "./dialects.js";
import { clientFrame, serverFrame } from "./frame.js";
import { headerLines } from "./headers.js";
import { RawSocket } from "./socket.js";

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
 * @property {number} [stalled] of each room's members read nothing, and are not waited for
 */

/** A lap takes a tenth of a second on a slow machine; with none done in so long, something is lost. */
const STALL_MS = 10_000;

/**
 * @param {RoomsSettings} settings
 * @returns {string}
 */
function compose({ messageBytes, isJson = false }) {
  if (!isJson)
    return `${"All of them get this. ".repeat(Math.ceil(messageBytes / 20)).slice(0, messageBytes - 1)}${MARK}`;
  const users = Array.from({ length: 100 }, (_, i) => ({ id: i * 7919, name: `user ${i}`, isOnline: i % 3 === 0 }));
  const text = JSON.stringify({ type: "presence", room: "lobby", users });
  return `${text.slice(0, messageBytes - 1)}${MARK}`;
}

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
  startedAt = 0;
}

export class RoomsLoad {
  #settings;
  #dialect;
  #headers;
  #port;
  #text;
  /** What a talker writes for a burst. */
  #sent;
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
   * @param {number} port
   * @param {RoomsSettings} settings
   * @param {string} dialect
   */
  constructor(port, settings, dialect) {
    this.#port = port;
    this.#settings = settings;
    this.#dialect = dialectOf(dialect);
    this.#headers = headerLines(settings.isDeflated ? "deflate" : "none", port);
    this.#text = compose(settings);
    const message = clientFrame(this.#dialect.toServer(this.#text));
    this.#sent = Buffer.concat(Array.from({ length: settings.burst }, () => message));
  }

  /**
   * @param {number} port
   * @param {RoomsSettings} settings
   * @param {string} dialect
   */
  static async connect(port, settings, dialect) {
    const load = new RoomsLoad(port, settings, dialect);
    const { rooms, members } = settings;
    load.#rooms = Array.from({ length: rooms }, () => new Room());
    await inBatches(rooms * members, (i) => load.#join(Math.floor(i / members), i % members));
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
    for (const talker of room.talkers) talker.write(this.#sent);
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
    const onBytes =
      messages > 0
        ? this.#listener(room, messages)
        : () => this.#fail("a member was sent something that it should not get");
    const opening = {
      port: this.#port,
      path: this.#dialect.path(number),
      headers: this.#headers,
      greeting: this.#dialect.greeting,
    };
    // A stalled one may be closed for it.
    const onEnd = (/** @type {string} */ why) => (isStalled ? undefined : this.#fail(`a connection ended: ${why}`));
    const socket = await RawSocket.open(opening, { onBytes, onEnd });
    if (isTalker) room.talkers.push(socket);
    if (isStalled) socket.stall();
    if (messages === 0) return;
    room.listeners++;
    room.messages += messages;
  }

  /** @param {boolean} isTalker */
  #messagesFor(isTalker) {
    const { talkers, burst, copies = 1, hasEcho = false } = this.#settings;
    return (isTalker && !hasEcho ? talkers - 1 : talkers) * burst * copies;
  }

  /**
   * @param {Room} room
   * @param {number} messages
   */
  #listener(room, messages) {
    const counter = this.#counter(messages);
    return (/** @type {number} */ bytes, /** @type {Buffer} */ buffer) => {
      try {
        if (counter.take(bytes, buffer) && --room.waiting === 0) this.#lapDone(room);
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
