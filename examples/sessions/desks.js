// @ts-check
// The server's half of the page: a desk for each page, with two sides, one with a session and one without. What a desk says goes out on
// both sides, numbered from 1 on each. Past the cable, the desk tells its page what was said and what was heard.
//
// Over the cable, both ways   {n, text}, without a text for a tick
// Past the cable              {desk}: where the page's clients find it
//                             {side, said: n, text}   {side, heard: n}   {side, peer: "here", "away" or "gone"}
import { randomUUID } from "node:crypto";
import { perConnection, reject } from "sendall";
import { isOwnPage } from "../page/cable.js";

const TICK_MS = 500;
const MAX_TEXT = 200;

/**
 * @typedef {{ side: Side }} Data
 * @typedef {"session" | "plain"} SideName
 * @typedef {(what: object) => void} Report
 */

class Side {
  #report;
  #said = 0;
  /** The latest of the page's connections on this side, closed or not. @type {import("sendall").Connection<Data> | undefined} */
  #connection;

  /** @param {Report} report */
  constructor(report) {
    this.#report = report;
  }

  /** What is said has a number, even if the connection is closed by now. Before the first connection nothing is said. */
  say(text = "") {
    if (this.#connection === undefined) return;
    const n = ++this.#said;
    this.#report({ said: n, text });
    this.#connection.send(JSON.stringify({ n, text }));
  }

  /** @param {import("sendall").ServerEvent<Data>} event */
  take(event) {
    const { type, connection } = event;
    if (type === "open") this.#connection = connection;
    // A connection that the server has given up may end after the next has come.
    if (connection !== this.#connection) return;
    if (type === "open" || type === "back") this.#report({ peer: "here" });
    if (type === "message") this.#report({ heard: Number(JSON.parse(event.text).n) });
    if (type === "away") this.#report({ peer: "away" });
    if (type === "closed") this.#report({ peer: "gone" });
  }
}

/** The desks of the pages that are there, and the handlers of the routes to them. */
export class Desks {
  /** @type {Map<string, Readonly<Record<SideName, Side>>>} */
  #desks = new Map();

  /** For the page itself, past the cable: what the page sends, the desk says. The desk ends with this connection. */
  watch() {
    return perConnection(async (connection, bus) => {
      const desk = randomUUID();
      const tell = (/** @type {object} */ what) => connection.send(JSON.stringify(what));
      const makeSide = (/** @type {SideName} */ side) => new Side((what) => tell({ side, ...what }));
      const sides = { session: makeSide("session"), plain: makeSide("plain") };
      this.#desks.set(desk, sides);
      tell({ desk });
      bus.every(TICK_MS, "tick");
      for await (const message of connection)
        for (const side of Object.values(sides))
          side.say(typeof message === "string" ? message.slice(0, MAX_TEXT) : "");
      this.#desks.delete(desk);
    });
  }

  /** For a side's clients, over the cable: the route's path has the desk. @param {SideName} name */
  line(name) {
    return {
      // With `isOwnPage`.
      origins: /** @type {const} */ ("any"),
      /** @param {import("sendall").UpgradeRequest} request @returns {Data | import("sendall").Rejection} */
      authorize: (request) => {
        const sides = this.#desks.get(request.params.desk ?? "");
        return sides !== undefined && isOwnPage(request) ? { side: sides[name] } : reject(404);
      },
      /** @param {import("sendall").ServerEvent<Data>} event */
      handler: (event) => event.connection?.data.side.take(event),
    };
  }
}
