/**
 * What does not hold on which runtime, and what happens there instead: sentence, runtime, difference. docs/reference/runtimes.md has the same
 * tables.
 *
 * @typedef {Readonly<Record<string, Readonly<Record<string, string>>>>} Differences
 */

/** @type {Differences} */
export const differences = {
  "8: a connection whose events leave rejections behind that nobody awaits is closed with 1011": {
    Bun: "nobody is charged: the rejection ends the process, unless the program listens for unhandledRejection",
  },
  "8: a connection whose events leave timers behind that throw is closed with 1011": {
    Deno: "nobody is charged: the exception ends the process, unless the program listens for uncaughtException",
  },
  "over TLS a handler sees the certificate of the peer, if it has asked for one": {
    Bun: "peerCertificate is undefined; the certificate is checked all the same",
  },
  "22: a history in a file (sendall/sqlite) outlives its server": {
    "Node 20": "serve rejects with HISTORY_UNAVAILABLE, because Node 20 has no SQLite",
  },
};

/** What holds now and then, and therefore is not played there. @type {Differences} */
export const unreliable = {
  "workers of the command share a port, reach one another's connections, and close with 1001 at SIGTERM": {
    Deno: "some connections are never answered: Deno loses sockets between the primary process and its workers",
  },
};
