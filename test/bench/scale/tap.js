// @ts-check
/**
 * An adapter around another that counts what passes between a node and its engine: packets and bytes each way by what they are, and
 * subscriptions. `src/cluster/presence/messages.ts` has the names of what nodes tell each other of presence.
 */

/**
 * @typedef {{ packets: number, bytes: number }} Traffic
 * @typedef {object} Counts of a node
 * @property {Record<string, Traffic>} sent by kind: `"message"` and the types of the messages of presence
 * @property {Record<string, Traffic>} received from other nodes
 * @property {Traffic} echoed what came back to its sender: some engines send that, others do not
 * @property {number} subscriptions now
 */

const PRESENCE = /"type":"(delta|askAll|beat|goodbye|ask|answer)"/;
/** Where the node that has sent a packet is named. */
const [SENDER_AT, SENDER_BYTES] = [3, 6];
/** Where the first envelope begins, and as much behind it as holds the type of a message of presence. */
const [HEAD_BYTES, TYPE_WITHIN] = [19, 120];

/** @param {Uint8Array} packet */
function kindOf(packet) {
  const start = Buffer.from(packet.buffer, packet.byteOffset, Math.min(packet.length, TYPE_WITHIN));
  return PRESENCE.exec(start.toString("latin1", HEAD_BYTES))?.[1] ?? "message";
}

/** @param {Uint8Array} packet */
const senderOf = (packet) => Buffer.from(packet.buffer, packet.byteOffset + SENDER_AT, SENDER_BYTES).toString("hex");

/**
 * @param {Record<string, Traffic>} table
 * @param {Uint8Array} packet
 */
function count(table, packet) {
  table[kindOf(packet)] ??= { packets: 0, bytes: 0 };
  add(/** @type {Traffic} */ (table[kindOf(packet)]), packet);
}

/**
 * @param {Traffic} traffic
 * @param {Uint8Array} packet
 */
function add(traffic, packet) {
  traffic.packets++;
  traffic.bytes += packet.length;
}

/** @param {readonly Traffic[]} traffics @returns {Traffic} */
export function sum(traffics) {
  return traffics.reduce((all, { packets, bytes }) => ({ packets: all.packets + packets, bytes: all.bytes + bytes }), {
    packets: 0,
    bytes: 0,
  });
}

/** @param {Record<string, Traffic>} table */
export const total = (table) => sum(Object.values(table));

/**
 * Counts of each node that opens the adapter, in the order of opening.
 * @param {import("sendall").ClusterAdapter} adapter
 * @returns {{ readonly adapter: import("sendall").ClusterAdapter, readonly nodes: readonly Counts[] }}
 */
export function tap(adapter) {
  /** @type {Counts[]} */
  const nodes = [];
  return {
    nodes,
    adapter: {
      ...adapter,
      async open(node) {
        /** @type {Counts} */
        const counts = { sent: {}, received: {}, echoed: { packets: 0, bytes: 0 }, subscriptions: 0 };
        nodes.push(counts);
        /** @type {Set<string>} */
        const subjects = new Set();
        const link = await adapter.open({
          id: node.id,
          clock: node.clock,
          log: node.log,
          up: () => node.up(),
          down: (error) => node.down(error),
          received(subject, packet) {
            if (senderOf(packet) === node.id) add(counts.echoed, packet);
            else count(counts.received, packet);
            node.received(subject, packet);
          },
        });
        return {
          // Some links know only once they are up.
          get maxPacketBytes() {
            return link.maxPacketBytes;
          },
          publish(subject, packet, options) {
            count(counts.sent, packet);
            return link.publish(subject, packet, options);
          },
          flush: () => link.flush(),
          subscribe(wanted) {
            for (const subject of wanted) subjects.add(subject);
            counts.subscriptions = subjects.size;
            return link.subscribe(wanted);
          },
          unsubscribe(unwanted) {
            for (const subject of unwanted) subjects.delete(subject);
            counts.subscriptions = subjects.size;
            link.unsubscribe(unwanted);
          },
          close: () => link.close(),
        };
      },
    },
  };
}
