// @ts-check
/**
 * The play on paper: what a cluster of any size has to do in a second, as expected values of the same law. A play of a small cluster is
 * compared with the paper, so that the paper may speak of clusters which no machine here can play.
 */

/** Bytes of packets, as plays of 10 to 40 nodes count them; of a message beside its text, of a beat beside its rooms. */
export const PACKET_BYTES = { message: 37, delta: 135, askAll: 57, answer: 190, ask: 102, beat: 75, roomOfBeat: 21 };
/** Bytes of a frame's head and of a notice of presence. */
const [FRAME_BYTES, NOTICE_BYTES] = [2, 45];
/** Defaults of history and presence. */
const [KEPT_MESSAGES, KEPT_S, MAX_LISTED, BEAT_S, RECENT_S] = [100, 300, 1_000, 10, 60];
/** A room of which the ranks differ by less than a hundredth is like its neighbours: fifty million ranks are a few hundred sums. */
const [EXACT_RANKS, RANK_STEP] = [200, 1.01];

/**
 * @typedef {object} PerSecond of a node, or of the engine as a whole
 * @property {number} messages
 * @property {number} deliveries
 * @property {number} arrivals
 * @property {number} packetsIn received of other nodes
 * @property {number} packetsOut sent to the engine
 * @property {number} bytes to clients and to and from the engine
 */

/**
 * @typedef {object} Paper
 * @property {PerSecond} node the average node
 * @property {{ readonly packetsIn: number, readonly packetsOut: number, readonly echoes: number, readonly bytes: number }} engine
 * @property {number} subscriptions of a node
 * @property {number} presentKeys of a node, own and copied
 * @property {number} kept messages at a node
 * @property {number} connections of a node
 */

/** @param {number} rooms @returns {Generator<{ readonly rank: number, readonly count: number }>} ranks, and how many are like each */
function* ranks(rooms) {
  let rank = 1;
  for (; rank <= Math.min(rooms, EXACT_RANKS); rank++) yield { rank, count: 1 };
  while (rank <= rooms) {
    const next = Math.min(rooms + 1, Math.ceil(rank * RANK_STEP));
    yield { rank: (rank + next - 1) / 2, count: next - rank };
    rank = next;
  }
}

/** @typedef {{ readonly members: number, readonly count: number }} Rooms so many rooms of so many members each */

/** Plans ask for the same crowd with many numbers of nodes. @type {Map<string, readonly Rooms[]>} */
const crowds = new Map();

/**
 * How many members the room of each rank has: every client picks so many different rooms.
 * @param {import("./law.js").Law} law
 * @returns {readonly Rooms[]}
 */
function membersOf({ clients, rooms, exponent, roomsEach, roomMembers }) {
  const key = [clients, rooms, exponent, roomsEach, roomMembers].join(" ");
  const known = crowds.get(key);
  if (known !== undefined) return known;
  const weights = Array.from(ranks(rooms), ({ rank, count }) => ({ weight: rank ** -exponent, count }));
  const sum = weights.reduce((total, { weight, count }) => total + weight * count, 0);
  // The share of clients that a room of this weight has after so many picks, if a room that is picked twice is picked anew: the picks
  // are a little more than the rooms, so many more as make the members come out right.
  const share = (/** @type {number} */ weight, /** @type {number} */ picks) => 1 - (1 - weight / sum) ** picks;
  let [low, high] = [roomsEach, roomsEach * 4];
  for (let i = 0; i < 25; i++) {
    const picks = (low + high) / 2;
    if (weights.reduce((total, { weight, count }) => total + share(weight, picks) * count, 0) < roomsEach) low = picks;
    else high = picks;
  }
  const crowd = weights.map(({ weight, count }) => {
    const members = clients * share(weight, low);
    const parts = Math.ceil(members / roomMembers);
    return { members: members / parts, count: count * parts };
  });
  crowds.set(key, crowd);
  return crowd;
}

/**
 * @param {import("./law.js").Law} law
 * @param {{ readonly groups?: number }} [plan] rooms are shared out to so many groups of nodes, each with an engine of its own
 * @returns {Paper} of a node and of the engine, in the group that has the largest room
 */
export function onPaper(law, { groups = 1 } = {}) {
  const nodes = law.nodes / groups;
  const sums = {
    said: 0,
    notices: 0,
    toMembers: 0,
    hops: 0,
    deltas: 0,
    deltaHops: 0,
    follows: 0,
    followHops: 0,
    doubts: 0,
  };
  const held = { rooms: 0, keys: 0, kept: 0 };
  const crowd = membersOf(law);
  const largest = crowd.reduce((most, { members }) => Math.max(most, members), 0);
  for (const [i, { members, count: rooms }] of crowd.entries()) {
    if (members <= 0) continue;
    // All that is said of one group is divided by the groups: the largest room counts in full for the group that has it.
    const count = i === 0 ? rooms + groups - 1 : rooms;
    const said = Math.min(members / law.sayEveryS, law.roomPerSecond) * count;
    // The share of nodes with at least one of the members, who are spread at random.
    const share = 1 - Math.exp(-members / nodes);
    const others = share * nodes - Math.min(1, members);
    const moves = (members / law.stayS) * count;
    // Coming and going; beyond `maxListed` once a second.
    const news = members > MAX_LISTED ? Math.min(2 * moves, count) : 2 * moves;
    sums.said += said;
    sums.toMembers += said * members;
    sums.notices += news * members;
    sums.hops += said * Math.max(0, others);
    // A key comes, loses its last connection, and has gone when its grace is over.
    sums.deltas += 3 * moves;
    sums.deltaHops += 3 * moves * Math.max(0, others);
    // Whoever comes as the first of a node makes the node follow the room.
    const follows = moves * Math.exp(-members / nodes);
    sums.follows += follows;
    sums.followHops += follows * Math.max(0, others);
    sums.doubts += follows * Math.max(0, nodes - 1 - others);
    held.rooms += share * count;
    held.keys += share * members * count;
    held.kept += share * count * Math.min(KEPT_MESSAGES, (said / count) * KEPT_S);
  }
  return perNode(law, { nodes, groups, largest }, sums, held);
}

/**
 * @param {import("./law.js").Law} law
 * @param {{ readonly nodes: number, readonly groups: number, readonly largest: number }} plan nodes of a group, and members of the largest room
 * @param {Record<"said" | "notices" | "toMembers" | "hops" | "deltas" | "deltaHops" | "follows" | "followHops" | "doubts", number>} sums of all rooms, a second
 * @param {{ readonly rooms: number, readonly keys: number, readonly kept: number }} held by one node if it were of all groups
 * @returns {Paper}
 */
function perNode(law, { nodes, groups, largest }, sums, held) {
  const all = law.nodes;
  const beats = nodes / BEAT_S;
  // Losing the last connection and having gone are one change of a room to a beat.
  const recent = Math.min(held.rooms / groups, ((sums.deltas * 2) / 3 / all) * RECENT_S);
  // Whoever begins to follow asks those who have not answered the room at their next beat, once for all such rooms since the last.
  const pairs = nodes * Math.max(0, nodes - 1);
  const asks = pairs > 0 ? (pairs / BEAT_S) * (1 - Math.exp((-BEAT_S * sums.doubts) / groups / pairs)) : 0;
  const answers = sums.followHops / groups + asks;
  const packetsIn = (sums.said + sums.deltas + sums.follows) / groups + beats + asks + answers;
  const packetsOut = (sums.hops + sums.deltaHops + sums.followHops) / groups + beats * (nodes - 1) + asks + answers;
  const message = PACKET_BYTES.message + law.messageBytes;
  const beat = PACKET_BYTES.beat + recent * PACKET_BYTES.roomOfBeat;
  const engineBytes =
    ((sums.said + sums.hops) * message + (sums.deltas + sums.deltaHops) * PACKET_BYTES.delta) / groups +
    beats * nodes * beat +
    2 * (asks * PACKET_BYTES.ask + answers * PACKET_BYTES.answer) +
    ((sums.follows + sums.followHops) * PACKET_BYTES.askAll) / groups;
  const deliveredBytes =
    sums.toMembers * (law.messageBytes + FRAME_BYTES) + sums.notices * (NOTICE_BYTES + FRAME_BYTES);
  // With its rooms in several groups, a client has a connection to each of these.
  const share = 1 - (1 - 1 / groups) ** law.roomsEach;
  const connections = (law.clients * share + largest * (1 - share)) / nodes;
  return {
    connections,
    subscriptions: held.rooms / groups + 2,
    presentKeys: held.keys / groups,
    kept: held.kept / groups,
    node: {
      messages: sums.said / all,
      deliveries: (sums.toMembers + sums.notices) / all,
      arrivals: connections / law.stayS,
      packetsIn: packetsOut / nodes,
      packetsOut: packetsIn / nodes,
      bytes: deliveredBytes / all + engineBytes / nodes,
    },
    engine: {
      packetsIn,
      packetsOut,
      echoes: (sums.said + sums.deltas + sums.follows) / groups + beats,
      bytes: engineBytes,
    },
  };
}
