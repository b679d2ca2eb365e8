/** A server for a store of history, in the hands of a test: the clock stands still until `pass`, turns end when the test says so. */
import type { HistoryHost, HistoryLimits, HistoryStore, MessageToKeep } from "sendall";
import { HandClock } from "../../../src/testing/runtime/clock.js";

export const NO_LOG: HistoryHost["log"] = {
  level: "silent",
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => NO_LOG,
};

const AMPLE: HistoryLimits = { maxMessages: 1_000, maxBytes: 1_048_576, maxAgeMs: 60_000, maxRooms: 100 };

/** No two servers give the same epoch. */
let epochs = 0;

export class TestHost implements HistoryHost {
  readonly clock = new HandClock();
  readonly log = NO_LOG;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly maxRooms: number;
  /** What the store said is lost. */
  readonly losses: { readonly count: number; readonly error: unknown }[] = [];
  readonly #steps: (() => void)[] = [];

  constructor(limits: Partial<HistoryLimits> = {}) {
    const all = { ...AMPLE, ...limits };
    this.maxMessages = all.maxMessages;
    this.maxBytes = all.maxBytes;
    this.maxAgeMs = all.maxAgeMs;
    this.maxRooms = all.maxRooms;
    this.clock.pass(1_000_000);
  }

  newEpoch(): string {
    return (++epochs).toString(16).padStart(12, "0");
  }

  atTurnEnd(step: () => void): void {
    this.#steps.push(step);
  }

  lost(count: number, error: unknown): void {
    this.losses.push({ count, error });
  }

  endTurn(): void {
    for (const step of this.#steps.splice(0)) step();
  }

  /** A text that is sent now. */
  text(room: string, text: string): MessageToKeep {
    return { room, bytes: Buffer.from(text), isBinary: false, at: this.clock.now() };
  }
}

/** A store for a test, opened by a server. */
export interface Opened<S extends HistoryStore> {
  readonly host: TestHost;
  readonly store: S;
  /** Keeps texts in a room, and tells their positions. */
  keep(room: string, ...texts: string[]): string[];
}

export function staged<S extends HistoryStore>(store: S, host: TestHost): Opened<S> {
  return {
    host,
    store,
    keep: (room, ...texts) => texts.map((text) => store.append(host.text(room, text)) ?? "refused"),
  };
}

/** The texts of an answer. */
export function textsOf(entries: readonly { readonly bytes: Uint8Array }[]): string[] {
  return entries.map(({ bytes }) => Buffer.from(bytes).toString());
}
