/** What went wrong in at least one of the five systems that Sendall carries forward, with the tests that it does not here. */
import type { Tests } from "./rows.js";

export interface Trap {
  readonly what: string;
  readonly shownBy: Tests;
}

export const traps: Readonly<Record<string, Trap>> = {
  T1: {
    what: "one bad id or one throwing handler stops everybody",
    shownBy: {
      "e2e/life.test.ts": [
        "a client whose messages make the handler throw is closed after intensity, and 50 others keep talking",
        "a rejection of an async handler is treated as a throw",
      ],
      "e2e/fanout.test.ts": [
        "a unicast reaches the one of 10 clients that it names, and one to nobody reaches nobody and does no harm",
      ],
    },
  },
  T2: {
    what: "events come before open or after closed, and closed not once",
    shownBy: {
      "contract/contract.test.ts": [
        "the contract over %s > 1: so it is in whatever order connections come, talk, leave, fail and are closed, several at once",
      ],
    },
  },
  T3: {
    what: "a connection whose socket failed stays a member",
    shownBy: {
      "e2e/life.test.ts": [
        "after 1,000 connects and disconnects (close, reset, silence) registry, rooms, actors and handles are empty",
      ],
    },
  },
  T4: {
    what: "frames that come in pieces, together, or with the handshake are misread",
    shownBy: {
      "e2e/wire.test.ts": [
        "wherever the network cuts handshake and frames, and whatever it puts into one segment, the same messages come back",
        "frames are understood however the network cuts them, byte by byte too",
        "a frame in the same segment as the handshake, while an async open takes 500 ms, is handled once and after open",
      ],
    },
  },
  T5: {
    what: "closing right after sending loses the message",
    shownBy: {
      "e2e/closing.test.ts": ["what is sent right before closing arrives before the code, at each of 500 clients"],
      "contract/contract.test.ts": [
        "the contract over %s > 9: what was sent before close arrives before the close frame",
      ],
    },
  },
  T6: {
    what: "our side goes without a close frame, its code or its reason",
    shownBy: {
      "e2e/closing.test.ts": [
        "our side's close frame > has the code and the reason when the connection is closed by %s",
      ],
      "e2e/pressure.test.ts": [
        'a stalled reader under a steady stream is bounded with "%s", and the others notice nothing',
      ],
    },
  },
  T7: {
    what: "a peer that does not answer is held for ever",
    shownBy: {
      "e2e/hostile.test.ts": [
        "a peer that never > answers a ping is cut by the heartbeat, and one that answers is not",
        "a peer that never > answers the close frame is cut after closeTimeoutMs",
      ],
    },
  },
  T8: {
    what: "pings come back wrong, or pings and pongs end the connection",
    shownBy: { "e2e/wire.test.ts": ["an unsolicited pong and a ping of %i bytes are taken in good part"] },
  },
  T9: {
    what: "what waits for a slow reader grows without bound",
    shownBy: {
      "e2e/pressure.test.ts": [
        'a stalled reader under a steady stream is bounded with "%s", and the others notice nothing',
      ],
      "e2e/hostile.test.ts": [
        'a peer that never > reads is held a bounded amount for with "%s", and is cut in the end',
      ],
      "unit/bus/bus.test.ts": [
        "a slow consumer > is told of in the log once, and again when it has drained in between",
      ],
    },
  },
  T10: {
    what: "what all share belongs to one connection and goes with it",
    shownBy: { "e2e/life.test.ts": ["a room goes on when the one who made it has left, however it left"] },
  },
  T11: {
    what: "a message that holds the protocol's own signs is cut or lost",
    shownBy: {
      "e2e/wire.test.ts": [
        "every character that there is comes back, whatever it means to other protocols",
        "lone surrogates, NUL and the last code points survive as what UTF-8 can say of them",
      ],
      "e2e/channels.test.ts": [
        "whatever a payload holds arrives whole: commas, the wire's own words, line ends, NUL, the last code points, bytes",
      ],
      "e2e/example-handlers.test.ts": [
        "the canvas's handler > brings a stroke to the others as it is, whatever it holds, and forgets all that was drawn when somebody clears",
      ],
    },
  },
  T12: {
    what: "an option is documented otherwise than it works",
    shownBy: {
      "readme.test.ts": ["the README > has an options table with every option of the code and its default"],
      "unit/settings.test.ts": ["the table of options > holds the defaults of the design"],
    },
  },
  T13: {
    what: "it is anybody's guess whether a broadcast reaches its source",
    shownBy: {
      "e2e/fanout.test.ts": [
        "of 50 clients one broadcasts and 49 receive it once, the source not; sendall reaches 50 of 50",
      ],
      "contract/contract.test.ts": [
        "the contract over %s > 4: broadcast leaves out the source and only the source, sendall nobody, in rooms too",
      ],
    },
  },
  T14: {
    what: "a handler that is to end by itself does not, and stays for ever",
    shownBy: {
      "e2e/per-connection.test.ts": [
        "%s that does not end after its connection is given up after handlerTimeoutMs, with a line, and holds up nobody",
        "a loop that never asks for another message is ended by the signal when its connection is",
      ],
    },
  },
  T15: {
    what: "fragments break the connection, or a ping between them the message",
    shownBy: {
      "e2e/wire.test.ts": [
        "a large text in five fragments, cut within its characters, with a ping after each, is one message",
        "a fragmented message with a ping in between is one message, and the ping is answered",
      ],
    },
  },
  T16: {
    what: "a peer says that it has another address, and is believed",
    shownBy: {
      "e2e/admission.test.ts": ["what proxies say > is believed as far as trustProxy says: %s"],
      "e2e/facts.test.ts": ["a connection has every fact of its request, and what a proxy would say is not believed"],
    },
  },
  T17: {
    what: "what newcomers are shown grows without bound",
    shownBy: {
      "e2e/example-handlers.test.ts": [
        "the canvas's handler > keeps so many strokes and no more, and drops the oldest first",
      ],
    },
  },
  T18: {
    what: "so many crashes in so short a time stop the whole server",
    shownBy: {
      "e2e/life.test.ts": [
        "100 connections in a row whose events break the handler are closed one by one, and the next is served as if nothing had been",
      ],
    },
  },
  T19: {
    what: "an id can be guessed, or is given to somebody else later",
    shownBy: {
      "e2e/facts.test.ts": [
        "1,000 connections have ids that nobody can guess, each the same in all of its events, and none is given twice",
      ],
    },
  },
  T20: {
    what: "an answer to a client that has just left breaks the server",
    shownBy: {
      "e2e/life.test.ts": [
        "1,000 clients that send one message and are gone %s: their answers are dead letters, and nothing is left",
      ],
    },
  },
};
