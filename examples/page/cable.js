// @ts-check
// A cable that a page can pull: a TCP proxy between the page and its server. Each page has a cable of its own, at a port of its own.
// A pulled cable is silent, like a real one: nothing crosses, and neither end is told. What is under way when the cable is pulled
// never arrives, and when the cable is plugged in again, the sockets of before are reset.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { perConnection } from "sendall";

/**
 * The handler of the route where a page gets its cable and holds the plug; the route itself does not hang on the cable. A client sends
 * "pull" and "plug in", and gets {port, isPlugged}. The cable ends with the connection.
 *
 * @param {() => number} portOf the port of the server
 */
export function cables(portOf) {
  return perConnection(async (connection) => {
    const cable = await Cable.to(portOf());
    const tell = () => connection.send(JSON.stringify({ port: cable.port, isPlugged: cable.isPlugged }));
    tell();
    for await (const message of connection) {
      if (message === "pull") cable.pull();
      if (message === "plug in") cable.plugIn();
      tell();
    }
    cable.end();
  });
}

/**
 * For routes at the end of a cable, beside `origins: "any"`: whether a page is one of this server's. To a browser another port is
 * another origin, so that only the names are compared.
 *
 * @param {Pick<import("sendall").UpgradeRequest, "origin" | "headers">} request
 */
export function isOwnPage({ origin, headers }) {
  return origin === undefined || nameOf(origin) === nameOf(`http://${headers.host}`);
}

/** @param {string} address */
function nameOf(address) {
  return URL.canParse(address) ? new URL(address).hostname : "";
}

class Cable {
  #server;
  /** The sockets at both ends. @type {Set<import("node:net").Socket>} */
  #sockets = new Set();
  isPlugged = true;

  /** @param {number} port */
  constructor(port) {
    this.#server = createServer((near) => {
      this.#keep(near);
      if (this.isPlugged) this.#join(near, connect(port, "127.0.0.1"));
    });
  }

  /** @param {number} port */
  static async to(port) {
    const cable = new Cable(port);
    await once(cable.#server.listen(0, "127.0.0.1"), "listening");
    return cable;
  }

  get port() {
    const address = this.#server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  /** @param {import("node:net").Socket} socket */
  #keep(socket) {
    this.#sockets.add(socket);
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
  }

  /** @param {import("node:net").Socket} near @param {import("node:net").Socket} far */
  #join(near, far) {
    this.#keep(far);
    // An end that gives up while the cable is pulled tells the other end nothing.
    near.on("close", () => this.isPlugged && far.destroy());
    far.on("close", () => this.isPlugged && near.destroy());
    near.pipe(far).pipe(near);
  }

  pull() {
    this.isPlugged = false;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  plugIn() {
    if (this.isPlugged) return;
    this.isPlugged = true;
    this.#cut();
  }

  end() {
    this.#server.close();
    this.#cut();
  }

  #cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
