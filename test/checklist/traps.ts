/**
 * Faults of at least one of the five systems that Sendall carries forward, each with the test files which show that Sendall does not have
 * the fault. `checklist.test.ts` checks the table.
 */

export interface Trap {
  readonly what: string;
  /** Paths of test files below `test/`. */
  readonly shownBy: readonly string[];
}

export const traps: Readonly<Record<string, Trap>> = {
  T1: {
    what: "one bad id or one throwing handler stops every connection",
    shownBy: ["e2e/life.test.ts", "e2e/fanout.test.ts"],
  },
  T2: { what: "events come before open or after closed, and closed not once", shownBy: ["contract/contract.test.ts"] },
  T3: { what: "a connection whose socket failed stays a member", shownBy: ["e2e/life.test.ts"] },
  T4: {
    what: "frames that come in pieces, together, or with the handshake are misread",
    shownBy: ["e2e/wire.test.ts"],
  },
  T5: {
    what: "closing right after sending loses the message",
    shownBy: ["e2e/closing.test.ts", "contract/contract.test.ts"],
  },
  T6: {
    what: "the server ends a connection without a close frame, its code or its reason",
    shownBy: ["e2e/closing.test.ts", "e2e/pressure.test.ts"],
  },
  T7: { what: "a peer that does not answer is held for ever", shownBy: ["e2e/hostile.test.ts"] },
  T8: { what: "pings come back wrong, or pings and pongs end the connection", shownBy: ["e2e/wire.test.ts"] },
  T9: {
    what: "what waits for a slow reader grows without bound",
    shownBy: ["e2e/pressure.test.ts", "e2e/hostile.test.ts", "unit/actors/bus.test.ts"],
  },
  T10: { what: "shared state belongs to one connection and is lost with it", shownBy: ["e2e/life.test.ts"] },
  T11: {
    what: "a message that holds the protocol's own signs is cut or lost",
    shownBy: ["e2e/wire.test.ts", "e2e/channels.test.ts", "e2e/example-handlers.test.ts"],
  },
  T12: {
    what: "an option is documented otherwise than it works",
    shownBy: ["readme.test.ts", "unit/options/server-options.test.ts"],
  },
  T13: {
    what: "whether a broadcast reaches its source is undefined",
    shownBy: ["e2e/fanout.test.ts", "contract/contract.test.ts"],
  },
  T14: { what: "a handler that should end by itself never ends", shownBy: ["e2e/per-connection.test.ts"] },
  T15: { what: "fragments break the connection, or a ping between them the message", shownBy: ["e2e/wire.test.ts"] },
  T16: {
    what: "a peer says that it has another address, and is believed",
    shownBy: ["e2e/admission.test.ts", "e2e/facts.test.ts"],
  },
  T17: { what: "what newcomers are shown grows without bound", shownBy: ["e2e/example-handlers.test.ts"] },
  T18: { what: "many crashes in a short time stop the whole server", shownBy: ["e2e/life.test.ts"] },
  T19: { what: "an id can be guessed, or is given to another connection later", shownBy: ["e2e/facts.test.ts"] },
  T20: { what: "an answer to a client that has just left breaks the server", shownBy: ["e2e/life.test.ts"] },
};
