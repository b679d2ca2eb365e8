/**
 * What the five systems could do that Sendall carries forward, feature by feature, with the tests that show it. The numbers are
 * those of the checklist that was merged from the five; rows 81 to 88 and 100 are SockJS.
 */

/** Tests by their file below `test/`: the titles of their groups and their own, joined with " > ". */
export type Tests = Readonly<Record<string, readonly string[]>>;

export interface Row {
  readonly what: string;
  readonly is: "must" | "should" | "left out";
  /** What is left out may have a test that it is refused. */
  readonly shownBy: Tests;
  /** Why it is left out. */
  readonly why?: string;
}

function must(what: string, shownBy: Tests): Row {
  return { what, is: "must", shownBy };
}

function should(what: string, shownBy: Tests): Row {
  return { what, is: "should", shownBy };
}

function leftOut(what: string, why: string, shownBy: Tests = {}): Row {
  return { what, is: "left out", why, shownBy };
}

const contract = (...lines: string[]): Tests => ({
  "contract/contract.test.ts": lines.map((line) => `the contract over %s > ${line}`),
});

const FACTS: Tests = {
  "e2e/facts.test.ts": ["a connection has every fact of its request, and what a proxy would say is not believed"],
  "e2e/admission.test.ts": ["authorize > is shown every fact of the request"],
};
const FANOUT = "of 50 clients one broadcasts and 49 receive it once, the source not; sendall reaches 50 of 50";
const FRAMES =
  "random byte strings > 100,000 of them as frames: each connection gets what RFC 6455 demands, and nothing is left behind";
const ORDER = "1: a connection's events are open, its messages in order, at most one error, and closed once and last";
const ANY_ORDER = "1: so it is in whatever order connections come, talk, leave, fail and are closed, several at once";
const BAD_UPGRADE = "a bad upgrade > with %s is refused with a line that names the cause";

export const rows: Readonly<Record<number, Row>> = {
  1: must("starts with options, each with its default", {
    "unit/settings.test.ts": [
      "the option %s > has the default of the table",
      "the table of options > holds the defaults of the design",
    ],
    "e2e/cli.test.ts": [
      "sendall serve > takes port 8080 and 127.0.0.1 when nobody says otherwise, also by empty variables",
    ],
    "e2e/services.test.ts": ["echo, close, amplify and broadcast are four services of one port, each on its own"],
  }),
  2: must("runs from the command line without a program, as an echo", {
    "e2e/cli.test.ts": [
      "sendall serve > sends every message back when there is no file, prints its address alone, and logs to standard error",
    ],
  }),
  3: must("refuses bad options by their name, with nothing left listening", {
    "unit/settings.test.ts": [
      "the option %s > is refused by its name, with what is expected and what was given",
      "the handler > is refused with the accepted shapes: %j",
      "names > that are no option are refused: %j",
    ],
    "e2e/http.test.ts": ["a port > is not even taken when an option is refused"],
  }),
  4: must("stops: every client is told, the port is free, nothing is left", {
    "e2e/http.test.ts": ["a port > is free when the server has closed, whoever was there, and nothing is left"],
    "e2e/shutdown.test.ts": [
      "under load every message that was accepted is answered before the close frame, and everybody sees 1001",
      "after close nothing keeps the process alive",
    ],
    "unit/actors/shutdown.test.ts": ["closing a server > a second time is the same promise"],
  }),
  5: must("several servers in one process, with names and without", {
    "e2e/serve.test.ts": [
      "servers with names and one without answer their own clients only, and end each for itself",
      "labels the lines of a logger that it is given with its name",
    ],
  }),
  6: must("listens on the address that it is given, of either family", {
    "e2e/serve.test.ts": [
      "listens on an IPv6 address, and says so in its url",
      "listens on every address of both families when it is asked to",
    ],
    "e2e/http.test.ts": [
      "a port > is the one that was asked for, on the address that was asked for",
      "a port > of an address that is not ours is LISTEN_FAILED, too",
    ],
  }),
  7: must("takes any free port and tells which", {
    "e2e/http.test.ts": ["a port > is free when the server has closed, whoever was there, and nothing is left"],
    "e2e/cli.test.ts": [
      "sendall serve > sends every message back when there is no file, prints its address alone, and logs to standard error",
    ],
  }),
  8: should("takes a burst of connections (a pool of acceptors has no equivalent here)", {
    "e2e/limits.test.ts": [
      "maxConnections > lets in exactly so many of 2,000 who come at once, and refuses the others with 503",
    ],
  }),
  9: must("lets in so many connections and refuses the next with 503", {
    "e2e/limits.test.ts": [
      "maxConnections > lets in exactly so many of 2,000 who come at once, and refuses the others with 503",
      "maxConnections > counts no connection that has gone: one that %s",
    ],
  }),
  10: should("or has the next wait until somebody leaves", {
    "e2e/limits.test.ts": ['whenFull: "wait" > holds who comes, and lets the oldest in when a place is free'],
  }),
  11: must("TLS, and certificates of clients", {
    "e2e/tls.test.ts": [
      "a server with tls > echoes to those who trust its authority, at wss",
      "a peer of a TLS port > that speaks %s is cut, logged once, and nothing is left of it",
      "client certificates > let in who has one, and show it",
      "client certificates > refuse who has none, or one of somebody else",
    ],
  }),
  12: should("behind a proxy that ends TLS: its headers are believed as far as it is trusted", {
    "e2e/admission.test.ts": ["what proxies say > is believed as far as trustProxy says: %s"],
  }),
  13: must("bounds the time of a request's head and, if asked, of silence", {
    "e2e/limits.test.ts": [
      "a request's head > that begins with %s and then silence is 408, and cut, after handshakeTimeoutMs",
      'idleTimeoutMs > closes a connection that sends nothing with 1000 "idle", though it answers pings',
      "idleTimeoutMs > is off by default, and of its own route",
    ],
  }),
  14: must("lives within somebody else's program", {
    "e2e/hosts.test.ts": ["the express example > has one login for its routes and our sockets"],
    "e2e/serve.test.ts": ["is closed at the end of an `await using` block, and its port is free again"],
  }),
  15: must("takes the upgrades of an HTTP server that keeps its routes and its life", {
    "e2e/attach.test.ts": [
      "the host's requests go to the host, and upgrades come to us",
      "close > leaves the host running, which gets the upgrades of later",
    ],
  }),
  16: must("speaks version 13 of the protocol and no other", {
    "e2e/http.test.ts": [BAD_UPGRADE],
    "e2e/wire.test.ts": ["frames are understood however the network cuts them, byte by byte too"],
  }),
  17: leftOut("the drafts before RFC 6455", "no browser has spoken them for years; they are refused", {
    "e2e/http.test.ts": [BAD_UPGRADE],
  }),
  18: leftOut("a list of versions to speak", "there is one version"),
  19: must("reads Connection and Upgrade headers with several values, in any case", {
    "e2e/http.test.ts": ["a bad upgrade > is not bad for the case of its words"],
  }),
  20: must("answers a bad upgrade with the HTTP status for it and a line that names the cause", {
    "e2e/http.test.ts": [
      BAD_UPGRADE,
      "plain HTTP without a folder > is answered with 426 to GET and HEAD, and with 405 to the rest",
    ],
  }),
  21: must("may refuse an upgrade before the handshake", {
    "e2e/admission.test.ts": [
      "authorize > refuses with the status, body and headers that it gives, unchanged",
      "origins > %s (%j): %s at %s is %d",
    ],
  }),
  22: must("has a handler for each path; other paths are 404", {
    "e2e/services.test.ts": ["echo, close, amplify and broadcast are four services of one port, each on its own"],
    "e2e/http.test.ts": [BAD_UPGRADE],
    "unit/http/router.test.ts": ["a path > is matched part by part, its parameters decoded"],
  }),
  23: must("tells the handler the request's path and query", FACTS),
  24: must("tells the handler the request's headers", FACTS),
  25: must("tells the handler the request's origin and host", FACTS),
  26: must("tells the handler the peer's address and port, and our own address", FACTS),
  27: should("tells the handler the peer's certificate, whether it is secure, and the version", {
    ...FACTS,
    "e2e/tls.test.ts": ["client certificates > let in who has one, and show it"],
  }),
  28: should("tells the handler the request's cookies, and never logs them", {
    ...FACTS,
    "unit/log.test.ts": ["each kind of line has its level, and no payload, cookie or query is in any of them"],
  }),
  29: leftOut("sessions shared between pages and sockets", "authorize reads the cookie; the program owns the store"),
  30: must("serves a page from the port of its sockets", {
    "e2e/http.test.ts": ["a folder > is on the port of the sockets"],
    "e2e/examples.test.ts": ["the chat example > serves its page and its socket on one port"],
  }),
  31: must("serves a folder: types, index, HEAD, 304, and nothing outside of it", {
    "e2e/http.test.ts": [
      "a folder > is served with its index and the types of its files",
      "a folder > is served by HEAD without the bodies",
      "a folder > is answered with 304 to who has the file, and with the file once it has changed",
      "a folder > is not left, and its hidden files are not shown: %s",
      "a folder > follows links within the folder, and none out of it",
    ],
  }),
  32: must("asks the program about plain HTTP, and survives what it throws", {
    "e2e/access.test.ts": [
      "onRequest > answers what is no upgrade, whatever the path and method",
      "onRequest > that %s is 500 and logged, and the next request is answered",
      "onRequest > is told by its response when the client breaks off a slow answer",
      "plain HTTP where nobody answers it > is %s with %d",
    ],
  }),
  33: should("bounds a request's head", { "e2e/limits.test.ts": ["a request's head > of %d KiB is 431"] }),
  34: must("tells the handler that a connection has opened, first", contract(ORDER, ANY_ORDER)),
  35: must("tells the handler of messages, in their order", contract(ORDER, ANY_ORDER)),
  36: must("tells the handler that a connection has closed, once and last, with code and reason", {
    ...contract(ORDER, ANY_ORDER),
    "e2e/wire.test.ts": ["the code and reason of either side's close frame reach the other"],
    "unit/actors/connection.test.ts": [
      "closing > is by the peer with its code, 1005 if it had none, and by nobody without a close frame",
    ],
  }),
  37: must("tells the handler of a connection's error, before its end", {
    "e2e/wire.test.ts": [
      "a message of one byte more than maxPayloadBytes closes its connection with 1009, and error comes before closed",
      "%s is answered with the right code, after what came before it",
    ],
    "unit/actors/connection.test.ts": [
      "closing > for an error of the protocol has the code for it, by the server, after one error event",
    ],
  }),
  38: should("tells the handler of pings and pongs", {
    "e2e/per-connection.test.ts": [
      "a module hears of everything that a peer does, by kind and with its payload, and of its end once",
    ],
  }),
  39: must("tells the handler what the rest of the program has to say, in order with a connection's messages", {
    "e2e/fanout.test.ts": [
      "what the program tells the handler about a connection comes in order with its messages, and never before its open",
    ],
    "unit/bus/bus.test.ts": ["info > carries whatever it is given, and the connection that it is about"],
  }),
  40: must("tells the handler of silence, and lets it push now and then", {
    "e2e/per-connection.test.ts": ["%s pushes after 5 seconds of silence, and any message puts it off"],
    "unit/actors/connection.test.ts": ["silence > is told of after so long, once, and again after the next message"],
    "unit/bus/bus.test.ts": [
      "info > of an alarm comes when it rings, not when it was cancelled or its connection has gone",
    ],
  }),
  41: must("tells text from bytes", {
    "e2e/wire.test.ts": [
      "a message of %i bytes comes back whole, text as text and bytes as bytes",
      "a binary message may be kept: it does not change when more arrives, and text reads it as UTF-8",
    ],
  }),
  42: must("takes a handler as a function, as an object, as a module, and by the name of its file", {
    "unit/handlers/shape.test.ts": [
      "a handler function > gets the event and the bus, and what it returns is handed back",
      "a stateful handler > is called as the object that it is, and need not have a stop",
    ],
    "e2e/per-connection.test.ts": [
      "of 10 connections one breaks %s: it ends with 1011, the others go on, and the next is served",
    ],
    "e2e/cli.test.ts": ["sendall serve > serves the function that a file exports by default"],
  }),
  43: must("has an actor for each connection, side by side", {
    "e2e/per-connection.test.ts": [
      "an actor that waits holds up its own connection alone, whose messages keep their order",
    ],
  }),
  44: must("has one handler for all connections, with one state", {
    "e2e/fanout.test.ts": ["one handler counts what 20 clients send at once: 100 messages each are 2,000"],
    ...contract("2: the handler runs one event at a time, and an async handler is awaited"),
  }),
  45: must("hands the handler its state, from the first to the last", {
    "e2e/per-connection.test.ts": [
      "each connection has a state of its own, made by init and kept from message to message",
      "what a callback returns > is what the peer gets, and the next state: %s",
    ],
    "unit/handlers/shape.test.ts": [
      "a stateful handler > keeps the state that it returned last, and gets it with each event and at the end",
    ],
  }),
  46: must("does what a callback returns: reply, ping, pong, close, several, or nothing", {
    "e2e/per-connection.test.ts": ["what a callback returns > is what the peer gets, and the next state: %s"],
  }),
  47: should("runs a loop for each connection that reads its messages", {
    "e2e/per-connection.test.ts": ["a loop reads its messages one after another, and ends when its peer closes"],
  }),
  48: must("tells the handler of a connection's end, or ends it", {
    "e2e/per-connection.test.ts": [
      "100 connections that come and go in every way are each told of once, and none of their actors is left",
      "a loop that never asks for another message is ended by the signal when its connection is",
    ],
  }),
  49: must("ends the connection whose actor crashes, with a line in the log, and no other", {
    "e2e/per-connection.test.ts": [
      "of 10 connections one breaks %s: it ends with 1011, the others go on, and the next is served",
    ],
  }),
  50: must("goes on after any number of crashes", {
    "e2e/life.test.ts": [
      "100 connections in a row whose events break the handler are closed one by one, and the next is served as if nothing had been",
    ],
    "unit/actors/supervision.test.ts": [
      'the strategy > "restart" calls init again; connections stay, with their rooms and data, and get no second open',
    ],
    "unit/actors/crash.test.ts": ["a sender that fails > ends its connection with 1011, and nobody else's"],
  }),
  51: must("ignores events that it does not know, and those that come too late", {
    "unit/actors/crash.test.ts": ["an event that no actor knows does nothing to any of them"],
    "unit/edges.test.ts": ["after the end of a server > tell is false, and no alarm is set"],
  }),
  52: should("has each verb as a method of the connection and as one of the bus", {
    "e2e/fanout.test.ts": [
      "ten parts of the program send to one connection while it talks: all arrives whole, each part's own in order",
    ],
  }),
  53: must("sends from anywhere in the program at any time", {
    "e2e/fanout.test.ts": [
      "ten parts of the program send to one connection while it talks: all arrives whole, each part's own in order",
    ],
  }),
  54: must("sends to one connection by its id; an id of nobody does no harm", {
    "e2e/fanout.test.ts": [
      "a unicast reaches the one of 10 clients that it names, and one to nobody reaches nobody and does no harm",
    ],
    ...contract("7: receipts add up, and sending to one that has gone never throws and is counted"),
  }),
  55: must("broadcasts to all but the source", {
    "e2e/fanout.test.ts": [FANOUT],
    ...contract("4: broadcast leaves out the source and only the source, sendall nobody, in rooms too"),
  }),
  56: must("sends to all, the source too", {
    "e2e/fanout.test.ts": [FANOUT],
    "e2e/services.test.ts": ["echo, close, amplify and broadcast are four services of one port, each on its own"],
  }),
  57: must("names connections by ids that tell nothing and stay the same", {
    "e2e/facts.test.ts": [
      "1,000 connections have ids that nobody can guess, each the same in all of its events, and none is given twice",
    ],
  }),
  58: must("has named channels over one socket: subscribe, message, unsubscribe", {
    "e2e/channels.test.ts": [
      "three channels over one socket do not hear each other, and leaving one leaves the others",
      "a name that nobody has, a second sub and a message without sub change nothing",
    ],
  }),
  59: must("has a handler for each channel, with a state of its own", {
    "e2e/channels.test.ts": [
      "each channel has its own state, its own members and rooms; a broadcast reaches its subscribers but the source",
    ],
  }),
  60: must("closes one channel and leaves the others", {
    "e2e/channels.test.ts": [
      "the server closes one channel: the peer is told, the socket and the others stay, and it may come back",
    ],
  }),
  61: must("rooms that come with their first member and go with their last, and people with names in them", {
    "e2e/fanout.test.ts": [
      "two rooms of five do not hear each other; who leaves hears no more; a room is gone with its last member",
    ],
    "e2e/chat-handler.test.ts": [
      "the chat's handler > brings a message to everybody in the room, its author too, and to nobody else",
      "the chat's handler > tells the room who leaves, by word or by going",
      "the chat's handler > moves who joins another room: a person is in one room",
    ],
    "unit/bus/bus.test.ts": [
      "a room > is given as a copy, in the order of joining, and ceases to exist when it is empty",
      "a room > ceases to exist when its last member closes",
    ],
  }),
  62: should("tells who is there, who comes and who leaves", {
    "e2e/chat-handler.test.ts": ["the chat's handler > welcomes who joins with all members, and tells the others"],
    "e2e/example-handlers.test.ts": ["the canvas's handler > tells who leaves, by closing or by being lost"],
  }),
  63: should("shows newcomers what was drawn before they came, until somebody clears it", {
    "e2e/example-handlers.test.ts": [
      "the canvas's handler > tells a newcomer who is there and what was drawn, oldest first, and the others of the newcomer",
      "the canvas's handler > brings a stroke to the others as it is, whatever it holds, and forgets all that was drawn when somebody clears",
    ],
  }),
  64: must("sends every broadcast to all in the same order, and each sender's own in its order", {
    "e2e/fanout.test.ts": [
      "10 publishers with 200 messages each give 20 subscribers the identical sequence, each publisher's own order kept",
    ],
    ...contract("3: every recipient sees the sends in the order of the calls, also those of a handler that then threw"),
  }),
  65: must("does not let a slow reader hold up the others", {
    "e2e/pressure.test.ts": [
      'a stalled reader under a steady stream is bounded with "%s", and the others notice nothing',
    ],
  }),
  66: must("bounds what waits for a slow reader, by the policy that was chosen", {
    "e2e/pressure.test.ts": [
      'a stalled reader under a steady stream is bounded with "%s", and the others notice nothing',
    ],
    "e2e/hostile.test.ts": ['a peer that never > reads is held a bounded amount for with "%s", and is cut in the end'],
    ...contract("6: a stalled reader gets whole messages in order, and loses those that its policy says"),
  }),
  67: must("holds up a peer that sends faster than the handler handles", {
    "e2e/pressure.test.ts": [
      "a flood of 200,000 messages to a handler that takes its time is bounded, complete and in order, and others are answered",
    ],
    ...contract(
      "5: a connection with a full mailbox is paused, nothing is lost or reordered, and others are served in between",
    ),
  }),
  68: should("writes what waits for a socket at once", {
    "e2e/fanout.test.ts": [
      "16 broadcasts in one turn to 100 sockets are 100 socket writes, and a message is encoded once",
    ],
  }),
  69: must("does not throw when it sends to one that has closed, and says that it did nothing", {
    "e2e/closing.test.ts": ["after closing nothing is sent, and what the peer still says is not heard"],
    "unit/actors/connection.test.ts": ["after the end > no verb does anything"],
  }),
  70: must("closes with a code and a reason", {
    "e2e/closing.test.ts": ["our side's close frame > has the code and the reason when the connection is closed by %s"],
    "unit/closing.test.ts": [
      "a close code > %d may be sent",
      "a reason > of 123 bytes is kept, and one byte more is cut",
    ],
  }),
  71: must("shakes hands at the end, from either side, and does not wait for ever", {
    "e2e/wire.test.ts": ["the code and reason of either side's close frame reach the other"],
    "e2e/closing.test.ts": ["after closing nothing is sent, and what the peer still says is not heard"],
    "e2e/hostile.test.ts": ["a peer that never > answers the close frame is cut after closeTimeoutMs"],
  }),
  72: must("pings when the program asks for it", {
    "e2e/facts.test.ts": ["a ping of ours reaches the peer with its bytes, and its pong tells the round trip"],
  }),
  73: must("answers pings by itself, with their bytes", {
    "e2e/wire.test.ts": ["an unsolicited pong and a ping of %i bytes are taken in good part"],
    "e2e/hostile.test.ts": ["a flood of > pings that waits for each pong is answered to the last"],
  }),
  74: must("pings silent peers and cuts those that do not answer", {
    "e2e/hostile.test.ts": ["a peer that never > answers a ping is cut by the heartbeat, and one that answers is not"],
    "unit/transport/heartbeat.test.ts": ["a peer > that keeps talking is never pinged"],
  }),
  75: must("understands fragments and whatever the network does to them", {
    "e2e/wire.test.ts": [
      "a large text in five fragments, cut within its characters, with a ping after each, is one message",
      "wherever the network cuts handshake and frames, and whatever it puts into one segment, the same messages come back",
    ],
  }),
  76: leftOut(
    "sending in fragments",
    "one frame is what every peer takes; a limit on our own messages is the program's affair",
  ),
  77: must("refuses frames that break the protocol's rules", {
    "e2e/wire.test.ts": ["%s is answered with the right code, after what came before it"],
    "e2e/hostile.test.ts": [FRAMES],
  }),
  78: must("refuses messages that are too large", {
    "e2e/wire.test.ts": [
      "a message of one byte more than maxPayloadBytes closes its connection with 1009, and error comes before closed",
    ],
  }),
  79: must("takes an empty message for a message", {
    "e2e/wire.test.ts": ["a message of %i bytes comes back whole, text as text and bytes as bytes"],
    "e2e/hostile.test.ts": ["a flood of > 200,000 empty messages is handled to the last, and others in between"],
  }),
  80: must("brings every character through", {
    "e2e/wire.test.ts": [
      "every character that there is comes back, whatever it means to other protocols",
      "lone surrogates, NUL and the last code points survive as what UTF-8 can say of them",
    ],
  }),
  81: should("frames messages as SockJS does: o, a, h and c, over HTTP and over a websocket", {
    "e2e/sockjs-protocol.test.ts": [
      "the websocket transport > frames what it carries",
      "the websocket transport > closes with a frame, then the socket",
      "the websocket transport > passes over messages that say nothing",
      "the websocket transport > ends a session that sends %s",
      "escapes > keep fragile characters in lower-case JSON on their way out",
    ],
    "e2e/sockjs-session.test.ts": [
      "over a websocket > heartbeats are h frames, and a peer that answers no ping is dropped",
      "over a websocket > messages of one turn are one frame",
      "over a websocket > broken framing is an error of the connection, and its end",
    ],
    "unit/sockjs/frames.test.ts": [
      "a batch > is one frame of all its messages",
      "what a client sends > over HTTP is a list of strings: %j",
      "what a client sends > over a websocket is a list, a string or nothing: %j",
    ],
  }),
  82: must("speaks plain WebSocket, without frames of SockJS, beside it too", {
    "e2e/wire.test.ts": ["every character that there is comes back, whatever it means to other protocols"],
    "e2e/sockjs-protocol.test.ts": [
      "the raw websocket > carries messages as they are",
      "the raw websocket > is closed with the program's code and reason",
      "plain WebSocket > is at the route itself",
    ],
    "e2e/sockjs-session.test.ts": ["over a websocket > raw ones have the heartbeat of plain WebSocket"],
  }),
  83: should("keeps a session while its client is away for a moment, and ends it when nobody comes back", {
    "e2e/sockjs-session.test.ts": [
      "a session that nobody polls > has what it was sent, once and in order, for a client that comes back in time",
      "a session that nobody polls > ends after disconnectDelayMs, and is told to the handler once",
      "a session that nobody polls > is held for as long as the option says, and each poll begins the wait anew",
      "a session that nobody polls > after its response has reached the limit lives on, too",
    ],
    "unit/sockjs/session.test.ts": ["a session beats while it has a response, and expires while it has none"],
  }),
  84: should("lets one request at a time receive for a session, and tells the second", {
    "e2e/sockjs-protocol.test.ts": [
      "a session > opens, brings messages, and has one receiver at a time",
      "the end of a response > comes at once to a second one",
    ],
    "e2e/sockjs-session.test.ts": ["over %s > a second receiver is turned away, and the first goes on"],
  }),
  85: should("falls back to HTTP: polling, streaming, events, scripts, and frames for pages of elsewhere", {
    ...contract(ORDER),
    "e2e/sockjs-protocol.test.ts": [
      "xhr polling > brings one frame an answer",
      "xhr polling > names what is wrong with a payload, and the session goes on",
      "xhr streaming > begins with 2 KiB that fill buffers, and has each frame in a chunk of its own",
      "eventsource > dresses frames as events, with control characters in JSON's short forms",
      "htmlfile > is a page of scripts without an end: %s",
      "jsonp > calls the page's function with each frame, and takes forms",
      "jsonp > names what is wrong with a payload, and the session goes on",
      "the callback of %s > is the name of a function: %s",
      "the iframe page > is at %s, to be kept for a year",
      "the iframe page > is not sent again to whoever has it",
    ],
    "e2e/sockjs-client.test.ts": [
      "sockjs-client in Node over %s > gets back what it sends, one by one and in batches",
      "sockjs-client in Node over %s > hears the server's code and reason",
    ],
    "e2e/sockjs-browser.test.ts": [
      "sockjs-client in Chromium > over %s, on a page of the %s origin > gets back what it sends",
      "sockjs-client in Chromium > over %s, on a page of the %s origin > hears the server's code and reason",
      "sockjs-client in Chromium > over %s, on a page of the %s origin > leaves, and the server sees it",
    ],
  }),
  86: should("bounds a response, and has the headers for other origins, load balancers and caches", {
    "e2e/sockjs-protocol.test.ts": [
      "xhr streaming > ends the response when it has carried as much as the limit, and not before",
      "eventsource > ends the response after one long message",
      "htmlfile > ends the response after one long message",
      "xhr polling > may be asked for by any page: %s",
      "xhr polling > brings one frame an answer",
      "xhr polling > lets a page send the headers that it asks for",
      "the info > says that a cookie is needed, without setting it",
      "the cookie for load balancers > is set by each answer: %s %s",
      "the cookie for load balancers > is not set unless it is needed: %s %s",
      "the cookie for load balancers > is not set by what belongs to no session: %s",
    ],
    "e2e/sockjs-session.test.ts": ["over %s > the limit is 128 KiB unless another is set"],
    "e2e/sockjs-access.test.ts": ["origins > decide which pages may read an answer"],
  }),
  87: should("greets who looks at a service, and tells its clients what it has", {
    "e2e/sockjs-protocol.test.ts": [
      "the greeting > stands at %s, without a cookie",
      "the greeting > is not at /echo%s, where there is nothing",
      "the info > says what there is, to everybody and never from a cache",
      "the info > has another number of 32 bits each time",
      "the info > may be asked for by a page of %s",
      "paths of sessions > hold any name without dots and slashes: %s",
      "paths of sessions > hold nothing else: %s",
    ],
    "e2e/sockjs-access.test.ts": ["methods that a row does not have > are refused with those that it has: /echo%s"],
  }),
  88: must("has no WebSocket where it is switched off or has no handler, and HTTP all the same", {
    "e2e/sockjs-access.test.ts": ["without websocket > %s is not there, for a year"],
    "e2e/sockjs-protocol.test.ts": ["the info > says that there is no websocket where there is none"],
    "e2e/sockjs-client.test.ts": ["sockjs-client in Node > falls back where there is no websocket"],
    "e2e/http.test.ts": ["a folder > is served also where an upgrade has no handler and is refused"],
  }),
  89: leftOut("a codec to be plugged in", "a message is text or bytes; what is in them is the handler's affair"),
  90: must("a client for programs and pages: callbacks, states, a path, refusals that are errors", {
    "unit/client.test.ts": [
      "connecting > dials at once, is open when the socket is, and closes with the code and reason that it was asked for",
      "connecting > knows its state in every callback, also when that callback closes it",
    ],
    "e2e/client.test.ts": [
      "a client in Node > talks to our server with %s, and closes with its code and reason",
      "a client in Node > is refused with HTTP %i: an error that says so, and no crash",
    ],
  }),
  91: must("a client for channels, in a page too", {
    "unit/client/channels.test.ts": [
      "a channel > subscribes as soon as there is a connection, and speaks and hears under its name",
      "a channel > ends alone, and what still comes for it is for nobody",
    ],
    "e2e/example-pages.test.ts": [
      "in Chromium > the page of the channels > holds three conversations over one socket, and can leave and enter each",
    ],
  }),
  92: should("a client to be used from a shell", {
    "e2e/connect.test.ts": [
      "sendall connect in a pipe > sends each line, prints each answer, says on standard error what happens, and ends with 0",
    ],
  }),
  93: must("tells the program of each request and upgrade", {
    "e2e/access.test.ts": [
      "onAccess > is told of each request, upgrade and refusal once, without the query",
      "onAccess > is told of bytes that made no request",
    ],
  }),
  94: must("logs by level, and nothing louder than a line for a connection that ends well", {
    "unit/log.test.ts": ["each kind of line has its level, and no payload, cookie or query is in any of them"],
    "unit/actors/handler.test.ts": [
      "the log at debug > has a line for each event, and never what it holds",
      "the log at debug > is no louder at info: a line for each connection opened and closed",
    ],
    "unit/actors/connection.test.ts": ["closing > is logged as a warning when the connection was lost"],
    "unit/actors/failures.test.ts": ["a failure > is logged with its stack, the event and the connection, and listed"],
    "e2e/cli.test.ts": ["sendall serve > logs as much as --log-level says"],
  }),
  95: leftOut(
    "changing services while the server runs",
    "a server's routes are set at its start; another server may start beside it",
  ),
  96: should("starts anew when its files change, for development", {
    "e2e/cli.test.ts": ["--watch > restarts when the file or what it imports changes, and when a mistake is mended"],
  }),
  97: must("has a reference of every exported name, checked", {
    "docs.test.ts": [
      "the API reference > has a page for every entry point, with every value that it exports",
      "the API reference > has a sentence for every exported name and each of its members",
    ],
  }),
  98: must("has types for everything, checked", { "unit/types.test.ts": ["the compiler has checked this file"] }),
  99: leftOut(
    "forms, uploads, redirects and other extras of HTTP",
    "onRequest and attach leave them to a web framework",
  ),
  100: should("notices that a client leaves in the middle of a long answer, and ends what it was for", {
    "e2e/sockjs-protocol.test.ts": ["the end of a response > by the network ends the session: %s"],
    "e2e/sockjs-access.test.ts": [
      "authorize > is not waited for by a client that has left, and its session leaves nothing behind",
    ],
    "e2e/sockjs-crowd.test.ts": [
      "a hostile client > that drops requests as fast as it makes them leaves nothing behind",
    ],
    "unit/sockjs/session.test.ts": ["a session that is lost is interrupted, and says so for a while"],
    "e2e/access.test.ts": ["onRequest > is told by its response when the client breaks off a slow answer"],
  }),
  101: leftOut("forms and queries in other character sets", "URLs and text frames are UTF-8"),
  102: should("takes its address from the environment", {
    "e2e/cli.test.ts": ["sendall serve > takes the port and the address from PORT and HOST, and flags before them"],
  }),
  103: must("has an actor for each step, which talk by messages alone", {
    "unit/actors/inspect.test.ts": [
      "a broadcast is seen at the source's receiver, the handler and each recipient's sender, and at no actor once nobody looks on",
      "the tree is the server, its routes, and under each its handler, receivers and senders",
    ],
  }),
};
