// @ts-check
/** What the nodes of the cluster run, in the play and in reality: rooms with presence, whose notices members get, and with history. */
import { nameOfRoom } from "./law.js";

/**
 * @typedef {object} App
 * @property {import("sendall").ServeOptions} options of the server, without its cluster
 * @property {() => number} presentKeys the keys that the node lists, over all its rooms: its own and its copies of other nodes'
 */

/** @param {{ readonly hasHistory: boolean }} what history in memory needs an adapter that keeps one order @returns {App} */
export function createApp({ hasHistory }) {
  /** @type {import("sendall").Bus | undefined} */
  let latest;
  return {
    options: {
      logger: false,
      presence: {
        key: ({ query }) => query.get("key") ?? "",
        notice: (notice) =>
          JSON.stringify(
            notice.type === "count" ? { type: "count", count: notice.count } : { type: notice.type, key: notice.key },
          ),
      },
      ...(hasHistory && { history: true }),
      handler(event, bus) {
        latest = bus;
        if (event.type === "open")
          for (const room of event.connection.query.getAll("room")) bus.join(event.connection, room);
        if (event.type === "message") {
          const text = String(event.data);
          bus.sendall(text, { room: text.slice(0, text.indexOf(" ")), ...(hasHistory && { keep: true }) });
        }
      },
    },
    presentKeys: () => latest?.rooms().reduce((sum, room) => sum + (latest?.presentCount(room).keys ?? 0), 0) ?? 0,
  };
}

/**
 * The query of a client: who it is, and the rooms that it is in.
 * @param {import("./law.js").Come} come
 */
export function queryOf({ client, rooms }) {
  const query = new URLSearchParams({ key: `person-${String(client).padStart(8, "0")}` });
  for (const room of rooms) query.append("room", nameOfRoom(room));
  return query;
}

/**
 * @param {import("./law.js").Say} say
 * @param {number} bytes
 */
export function textOf({ room }, bytes) {
  return `${nameOfRoom(room)} `.padEnd(bytes, ".");
}
