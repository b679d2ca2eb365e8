// @ts-check
/**
 * The load of the play, as a list of steps out of a seed: people come to rooms that are picked by a Zipf law, say something, leave, and
 * others come in their place. The same seed gives the same steps, in virtual time and in reality.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/**
 * @typedef {object} Law
 * @property {number} nodes
 * @property {number} clients on all nodes together
 * @property {number} rooms that people pick from
 * @property {number} exponent of the Zipf law: the room of rank r has the weight 1 ÷ r^exponent
 * @property {number} roomsEach so many rooms each client is in
 * @property {number} stayS how long a client stays, on average
 * @property {number} sayEveryS how often a member says something in each of its rooms, on average
 * @property {number} roomPerSecond no room hears more messages than that: nobody could read them
 * @property {number} roomMembers on paper, a room of more is split into rooms of the same size; no play is as large
 * @property {number} messageBytes
 * @property {number} seconds how long people talk, come and go once all are there
 * @property {number} seed
 */

/** @type {Readonly<Omit<Law, "nodes" | "clients" | "rooms">>} */
export const HABITS = {
  exponent: 1,
  roomsEach: 2,
  stayS: 600,
  sayEveryS: 60,
  roomPerSecond: 5,
  roomMembers: 10_000,
  messageBytes: 100,
  seconds: 60,
  seed: 1,
};

/** So many people there are for each room to pick from. */
export const PEOPLE_PER_ROOM = 10;

/**
 * @typedef {{ readonly type: "come", readonly client: number, readonly node: number, readonly rooms: readonly number[] }} Come
 * @typedef {{ readonly type: "go", readonly client: number }} Go
 * @typedef {{ readonly type: "say", readonly client: number, readonly room: number }} Say
 * @typedef {(Come | Go | Say) & { readonly at: number }} Step `at` in milliseconds from the beginning of the talk
 */

/** @param {number} room */
export const nameOfRoom = (room) => `room-${String(room).padStart(7, "0")}`;

/** The shares of the ranks, summed up. @param {Law} law */
function zipf({ rooms, exponent }) {
  const sums = new Float64Array(rooms);
  let sum = 0;
  for (let rank = 1; rank <= rooms; rank++) sums[rank - 1] = sum += rank ** -exponent;
  return sums.map((each) => each / sum);
}

/**
 * @param {Float64Array} sums
 * @param {number} at from 0 to 1
 * @returns {number} the first index whose sum is beyond
 */
function find(sums, at) {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] ?? 1) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** People and rooms, as the steps change them. */
class Crowd {
  /** @type {Map<number, Come>} */
  present = new Map();
  /** The members of each room. @type {number[][]} */
  members;
  #law;
  #sums;
  #random;
  #next = 0;

  /** @param {Law} law */
  constructor(law) {
    this.#law = law;
    this.#sums = zipf(law);
    this.#random = xoroshiro128plus(law.seed);
    this.members = Array.from({ length: law.rooms }, () => []);
  }

  fraction() {
    return uniformFloat64(this.#random);
  }

  /** Time until the next event of a kind that comes so often. @param {number} perMs */
  wait(perMs) {
    return -Math.log(1 - this.fraction()) / perMs;
  }

  /** @template T @param {readonly T[]} list @returns {T} */
  anyOf(list) {
    return /** @type {T} */ (list[uniformInt(this.#random, 0, list.length - 1)]);
  }

  /** @returns {Come} */
  come() {
    const { nodes, rooms: count, roomsEach } = this.#law;
    const client = this.#next++;
    /** @type {Set<number>} */
    const rooms = new Set();
    while (rooms.size < Math.min(roomsEach, count)) rooms.add(find(this.#sums, this.fraction()));
    // As a load balancer spreads them.
    const come = /** @type {const} */ ({ type: "come", client, node: client % nodes, rooms: [...rooms] });
    this.present.set(client, come);
    for (const room of rooms) this.members[room]?.push(client);
    return come;
  }

  /** @returns {Go} */
  go() {
    const client = this.anyOf([...this.present.keys()]);
    for (const room of this.present.get(client)?.rooms ?? []) {
      const members = this.members[room] ?? [];
      members.splice(members.indexOf(client), 1);
    }
    this.present.delete(client);
    return { type: "go", client };
  }
}

/**
 * @param {Law} law
 * @returns {{ readonly arrivals: readonly Step[], readonly talk: readonly Step[] }} who comes first, and what happens then
 */
export function stepsOf(law) {
  const { clients, sayEveryS, roomPerSecond, stayS, seconds } = law;
  const crowd = new Crowd(law);
  const arrivals = Array.from({ length: clients }, () => ({ ...crowd.come(), at: 0 }));
  const perSecond = crowd.members.map(({ length }) => Math.min(length / sayEveryS, roomPerSecond));
  const messages = perSecond.reduce((sum, rate) => sum + rate, 0) / 1_000;
  let sum = 0;
  const sums = Float64Array.from(perSecond, (rate) => (sum += rate / 1_000 / messages));
  const moves = clients / stayS / 1_000;
  /** @type {Step[]} */
  const talk = [];
  for (let at = crowd.wait(messages + moves); at < seconds * 1_000; at += crowd.wait(messages + moves)) {
    if (crowd.fraction() * (messages + moves) < moves) talk.push({ ...crowd.go(), at }, { ...crowd.come(), at });
    else {
      const room = find(sums, crowd.fraction());
      const members = crowd.members[room] ?? [];
      // Everybody may have left since the beginning.
      if (members.length > 0) talk.push({ type: "say", client: crowd.anyOf(members), room, at });
    }
  }
  return { arrivals, talk };
}
