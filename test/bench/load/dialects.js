// @ts-check
/** What is spoken over the socket: plain WebSocket messages, or the envelopes of socket.io and SockJS around them. */

/**
 * @typedef {object} Dialect
 * @property {(room: number) => string} path of the upgrade
 * @property {readonly { readonly expect: RegExp, readonly reply?: string }[]} greeting what the server sends first, and our replies
 * @property {(text: string) => string} toServer the message that carries this text
 * @property {(text: string) => string} toClient
 * @property {boolean} isGathered whether a server may put several texts into one message
 * @property {string} [subprotocol] which is on offer
 * @property {(messages: number) => string} [acknowledge] says so many have come; the server says the like of what it gets
 */

let sessions = 0;

/** @type {Readonly<Record<string, Dialect>>} */
export const dialects = {
  plain: {
    path: (room) => `/?room=${room}`,
    greeting: [],
    toServer: (text) => text,
    toClient: (text) => text,
    isGathered: false,
  },
  session: {
    path: (room) => `/?room=${room}`,
    subprotocol: "sendall.1",
    greeting: [{ expect: /^~\{"session":"/, reply: "~a0" }],
    toServer: (text) => text,
    toClient: (text) => text,
    isGathered: false,
    acknowledge: (messages) => `~a${messages}`,
  },
  // Messages of the protocol in `servers/typed.js`.
  typed: {
    path: (room) => `/?room=${room}`,
    greeting: [],
    toServer: (text) => JSON.stringify(["say", { nick: "ann", text, at: 1_700_000_000_000 }]),
    toClient: (text) => JSON.stringify(["said", { nick: "ann", text, at: 1_700_000_000_000 }]),
    isGathered: false,
  },
  // Engine.IO 4: its handshake, then socket.io's; an event named "m" with one argument.
  "socket.io": {
    path: (room) => `/socket.io/?EIO=4&transport=websocket&room=${room}`,
    greeting: [{ expect: /^0\{/, reply: "40" }, { expect: /^40\{/ }],
    toServer: (text) => `42["m",${JSON.stringify(text)}]`,
    toClient: (text) => `42["m",${JSON.stringify(text)}]`,
    isGathered: false,
  },
  sockjs: {
    path: () => `/room/000/s${process.pid}-${sessions++}/websocket`,
    greeting: [{ expect: /^o$/ }],
    toServer: (text) => JSON.stringify([text]),
    toClient: (text) => `a${JSON.stringify([text])}`,
    isGathered: true,
  },
};

/**
 * @param {string} name
 * @returns {Dialect}
 */
export function dialectOf(name) {
  const dialect = dialects[name];
  if (dialect === undefined) throw new Error(`there is no dialect ${name}`);
  return dialect;
}
