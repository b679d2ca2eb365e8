/**
 * The features of the five systems that Sendall carries forward, each with the test files that show the feature. Rows 81 to 88
 * and 100 are SockJS. `checklist.test.ts` checks the table.
 */

export interface Row {
  readonly what: string;
  readonly is: "must" | "should" | "left out";
  /** Paths of test files below `test/`. For a feature that is left out, a test that the feature is refused. */
  readonly shownBy: readonly string[];
  /** Why the feature is left out. */
  readonly why?: string;
}

function must(what: string, ...shownBy: string[]): Row {
  return { what, is: "must", shownBy };
}

function should(what: string, ...shownBy: string[]): Row {
  return { what, is: "should", shownBy };
}

function leftOut(what: string, why: string, ...shownBy: string[]): Row {
  return { what, is: "left out", why, shownBy };
}

export const rows: Readonly<Record<number, Row>> = {
  1: must(
    "starts with options, each with its default",
    "unit/options/server-options.test.ts",
    "e2e/cli.test.ts",
    "e2e/services.test.ts",
  ),
  2: must("runs from the command line without a program, as an echo", "e2e/cli.test.ts"),
  3: must(
    "refuses bad options by their name, with nothing left listening",
    "unit/options/server-options.test.ts",
    "e2e/http.test.ts",
  ),
  4: must(
    "stops: every client is told, the port is free, nothing is left",
    "e2e/http.test.ts",
    "e2e/shutdown.test.ts",
    "unit/actors/shutdown.test.ts",
  ),
  5: must("runs several servers in one process, with names and without", "e2e/serve.test.ts"),
  6: must("listens on the address that it is given, of either family", "e2e/serve.test.ts", "e2e/http.test.ts"),
  7: must("takes any free port and tells which", "e2e/http.test.ts", "e2e/cli.test.ts"),
  8: should("takes a burst of connections (a pool of acceptors has no equivalent here)", "e2e/limits.test.ts"),
  9: must("lets in a configured number of connections and refuses the next with 503", "e2e/limits.test.ts"),
  10: should("or lets the next connection wait until another has ended", "e2e/limits.test.ts"),
  11: must("TLS, and certificates of clients", "e2e/tls.test.ts"),
  12: should("behind a proxy that ends TLS: its headers are believed as far as it is trusted", "e2e/admission.test.ts"),
  13: must("bounds the time of a request's head and, if asked, of silence", "e2e/limits.test.ts"),
  14: must("runs inside another program", "e2e/hosts.test.ts", "e2e/serve.test.ts"),
  15: must("takes the upgrades of an HTTP server that keeps its routes and its life", "e2e/attach.test.ts"),
  16: must("speaks version 13 of the protocol and no other", "e2e/http.test.ts", "e2e/wire.test.ts"),
  17: leftOut(
    "the drafts before RFC 6455",
    "no browser has spoken a draft for years; upgrades with a draft are refused",
    "e2e/http.test.ts",
  ),
  18: leftOut("a list of versions to speak", "there is one version"),
  19: must("reads Connection and Upgrade headers with several values, in any case", "e2e/http.test.ts"),
  20: must("answers a bad upgrade with the HTTP status for it and a line that names the cause", "e2e/http.test.ts"),
  21: must("may refuse an upgrade before the handshake", "e2e/admission.test.ts"),
  22: must(
    "has a handler for each path; other paths are 404",
    "e2e/services.test.ts",
    "e2e/http.test.ts",
    "unit/admission/router.test.ts",
  ),
  23: must("tells the handler the request's path and query", "e2e/facts.test.ts", "e2e/admission.test.ts"),
  24: must("tells the handler the request's headers", "e2e/facts.test.ts", "e2e/admission.test.ts"),
  25: must("tells the handler the request's origin and host", "e2e/facts.test.ts", "e2e/admission.test.ts"),
  26: must(
    "tells the handler the peer's address and port, and our own address",
    "e2e/facts.test.ts",
    "e2e/admission.test.ts",
  ),
  27: should(
    "tells the handler the peer's certificate, whether it is secure, and the version",
    "e2e/facts.test.ts",
    "e2e/admission.test.ts",
    "e2e/tls.test.ts",
  ),
  28: should(
    "tells the handler the request's cookies, and never logs them",
    "e2e/facts.test.ts",
    "e2e/admission.test.ts",
    "unit/log/log.test.ts",
  ),
  29: leftOut("sessions shared between pages and sockets", "authorize reads the cookie; the program owns the store"),
  30: must("serves a page from the port of its sockets", "e2e/http.test.ts", "e2e/examples.test.ts"),
  31: must("serves a folder: types, index, HEAD, 304, and nothing outside of it", "e2e/http.test.ts"),
  32: must("asks the program about plain HTTP, and survives what it throws", "e2e/access.test.ts"),
  33: should("bounds a request's head", "e2e/limits.test.ts"),
  34: must("tells the handler that a connection has opened, first", "contract/contract.test.ts"),
  35: must("tells the handler of messages, in their order", "contract/contract.test.ts"),
  36: must(
    "tells the handler that a connection has closed, once and last, with code and reason",
    "contract/contract.test.ts",
    "e2e/wire.test.ts",
    "unit/actors/connection.test.ts",
  ),
  37: must(
    "tells the handler of a connection's error, before its end",
    "e2e/wire.test.ts",
    "unit/actors/connection.test.ts",
  ),
  38: should("tells the handler of pings and pongs", "e2e/per-connection.test.ts"),
  39: must(
    "tells the handler what the rest of the program has to say, in order with a connection's messages",
    "e2e/fanout.test.ts",
    "unit/actors/bus.test.ts",
  ),
  40: must(
    "tells the handler of silence, and lets it push now and then",
    "e2e/per-connection.test.ts",
    "unit/actors/connection.test.ts",
    "unit/actors/bus.test.ts",
  ),
  41: must("tells text from bytes", "e2e/wire.test.ts"),
  42: must(
    "takes a handler as a function, as an object, as a module, and by the name of its file",
    "unit/handlers/shape.test.ts",
    "e2e/per-connection.test.ts",
    "e2e/cli.test.ts",
  ),
  43: must("has an actor for each connection, side by side", "e2e/per-connection.test.ts"),
  44: must("has one handler for all connections, with one state", "e2e/fanout.test.ts", "contract/contract.test.ts"),
  45: must(
    "hands the handler its state, from the first to the last",
    "e2e/per-connection.test.ts",
    "unit/handlers/shape.test.ts",
  ),
  46: must("does what a callback returns: reply, ping, pong, close, several, or nothing", "e2e/per-connection.test.ts"),
  47: should("runs a loop for each connection that reads its messages", "e2e/per-connection.test.ts"),
  48: must("tells the handler of a connection's end, or ends it", "e2e/per-connection.test.ts"),
  49: must(
    "ends the connection whose actor crashes, with a line in the log, and no other",
    "e2e/per-connection.test.ts",
  ),
  50: must(
    "goes on after any number of crashes",
    "e2e/life.test.ts",
    "unit/actors/supervision.test.ts",
    "unit/actors/crash.test.ts",
  ),
  51: must(
    "ignores events that it does not know, and those that come too late",
    "unit/actors/crash.test.ts",
    "unit/server/edges.test.ts",
  ),
  52: should("has each verb as a method of the connection and as one of the bus", "e2e/fanout.test.ts"),
  53: must("sends from anywhere in the program at any time", "e2e/fanout.test.ts"),
  54: must(
    "sends to one connection by its id; an unknown id does no harm",
    "e2e/fanout.test.ts",
    "contract/contract.test.ts",
  ),
  55: must("broadcasts to all but the source", "e2e/fanout.test.ts", "contract/contract.test.ts"),
  56: must("sends to all, the source too", "e2e/fanout.test.ts", "e2e/services.test.ts"),
  57: must("names connections by ids that tell nothing and stay the same", "e2e/facts.test.ts"),
  58: must("has named channels over one socket: subscribe, message, unsubscribe", "e2e/channels.test.ts"),
  59: must("has a handler for each channel, with a state of its own", "e2e/channels.test.ts"),
  60: must("closes one channel and leaves the others", "e2e/channels.test.ts"),
  61: must(
    "rooms that come with their first member and go with their last, and people with names in them",
    "e2e/fanout.test.ts",
    "e2e/chat-handler.test.ts",
    "unit/actors/bus.test.ts",
  ),
  62: should(
    "tells who is there, who comes and who leaves",
    "e2e/chat-handler.test.ts",
    "e2e/example-handlers.test.ts",
  ),
  63: should("shows newcomers what was drawn before, until a client clears the canvas", "e2e/example-handlers.test.ts"),
  64: must(
    "sends every broadcast to all in the same order, and each sender's own in its order",
    "e2e/fanout.test.ts",
    "contract/contract.test.ts",
  ),
  65: must("does not let a slow reader hold up the others", "e2e/pressure.test.ts"),
  66: must(
    "bounds what waits for a slow reader, by the policy that was chosen",
    "e2e/pressure.test.ts",
    "e2e/hostile.test.ts",
    "contract/contract.test.ts",
  ),
  67: must(
    "holds up a peer that sends faster than the handler handles",
    "e2e/pressure.test.ts",
    "contract/contract.test.ts",
  ),
  68: should("writes everything that waits for a socket at once", "e2e/fanout.test.ts"),
  69: must(
    "does not throw when it sends to a closed connection, and reports that nothing was sent",
    "e2e/closing.test.ts",
    "unit/actors/connection.test.ts",
  ),
  70: must("closes with a code and a reason", "e2e/closing.test.ts", "unit/api/close-codes.test.ts"),
  71: must(
    "shakes hands at the end, from either side, and does not wait for ever",
    "e2e/wire.test.ts",
    "e2e/closing.test.ts",
    "e2e/hostile.test.ts",
  ),
  72: must("pings when the program asks for it", "e2e/facts.test.ts"),
  73: must("answers pings by itself, with their bytes", "e2e/wire.test.ts", "e2e/hostile.test.ts"),
  74: must(
    "pings silent peers and cuts those that do not answer",
    "e2e/hostile.test.ts",
    "unit/actors/heartbeat.test.ts",
  ),
  75: must("understands fragments and whatever the network does to them", "e2e/wire.test.ts"),
  76: leftOut(
    "sending in fragments",
    "one frame is what every peer takes; a limit on our own messages is the program's affair",
  ),
  77: must("refuses frames that break the protocol's rules", "e2e/wire.test.ts", "e2e/hostile.test.ts"),
  78: must("refuses messages that are too large", "e2e/wire.test.ts"),
  79: must("handles an empty message as a message", "e2e/wire.test.ts", "e2e/hostile.test.ts"),
  80: must("brings every character through", "e2e/wire.test.ts"),
  81: should(
    "frames messages as SockJS does: o, a, h and c, over HTTP and over a websocket",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-session.test.ts",
    "unit/sockjs/frames.test.ts",
  ),
  82: must(
    "speaks plain WebSocket, without frames of SockJS, beside it too",
    "e2e/wire.test.ts",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-session.test.ts",
  ),
  83: should(
    "keeps a session while its client is away for a moment, and ends the session of a client that does not come back",
    "e2e/sockjs-session.test.ts",
    "unit/sockjs/session.test.ts",
  ),
  84: should(
    "lets one request at a time receive for a session, and tells the second",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-session.test.ts",
  ),
  85: should(
    "falls back to HTTP: polling, streaming, events, scripts, and frames for pages of other origins",
    "contract/contract.test.ts",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-client.test.ts",
    "e2e/sockjs-browser.test.ts",
  ),
  86: should(
    "bounds a response, and has the headers for other origins, load balancers and caches",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-session.test.ts",
    "e2e/sockjs-access.test.ts",
  ),
  87: should(
    "answers a visitor of a service with a greeting, and tells clients what the service offers",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-access.test.ts",
  ),
  88: must(
    "has no WebSocket where it is switched off or has no handler, and HTTP all the same",
    "e2e/sockjs-access.test.ts",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-client.test.ts",
    "e2e/http.test.ts",
  ),
  89: leftOut(
    "a codec to be plugged in",
    "a message is text or bytes; what is in them is the affair of the handler, or of a protocol, whose wire is JSON",
  ),
  90: must(
    "a client for programs and pages: callbacks, states, a path, refusals that are errors",
    "unit/client/client.test.ts",
    "e2e/client.test.ts",
  ),
  91: must("a client for channels, in a page too", "unit/client/channels.test.ts", "e2e/example-pages.test.ts"),
  92: should("a client to be used from a shell", "e2e/connect.test.ts"),
  93: must("tells the program of each request and upgrade", "e2e/access.test.ts"),
  94: must(
    "logs by level, and nothing louder than a line for a connection that ends well",
    "unit/log/log.test.ts",
    "unit/actors/handler.test.ts",
    "unit/actors/connection.test.ts",
    "unit/actors/failures.test.ts",
    "e2e/cli.test.ts",
  ),
  95: leftOut(
    "changing services while the server runs",
    "a server's routes are set at its start; another server may start beside it",
  ),
  96: should("starts anew when its files change, for development", "e2e/cli.test.ts"),
  97: must("has a reference of every exported name, checked", "docs.test.ts"),
  98: must("has types for everything, checked", "unit/api/types.test.ts"),
  99: leftOut(
    "forms, uploads, redirects and other extras of HTTP",
    "onRequest and attach leave them to a web framework",
  ),
  100: should(
    "notices that a client leaves in the middle of a long answer, and ends the work for the answer",
    "e2e/sockjs-protocol.test.ts",
    "e2e/sockjs-access.test.ts",
    "e2e/sockjs-crowd.test.ts",
    "unit/sockjs/session.test.ts",
    "e2e/access.test.ts",
  ),
  101: leftOut("forms and queries in other character sets", "URLs and text frames are UTF-8"),
  102: should("takes its address from the environment", "e2e/cli.test.ts"),
  103: must("has an actor for each step; actors talk only by messages", "unit/actors/inspect.test.ts"),
};
