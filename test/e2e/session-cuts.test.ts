/**
 * The property of sessions over real sockets, through a line that cuts at random bytes: either both ends got exactly what the other sent,
 * once and in order, or each was told otherwise (a fifth of `SENDALL_RUNS` cases; 60 if it is not set). Time is virtual on both ends.
 */
import type { ServeOptions } from "sendall";
import { type Client, connect } from "sendall/client";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import type { HandClock } from "../../src/testing/runtime/clock.js";
import { SeededRandom } from "../../src/testing/runtime/random.js";
import { createVirtualTimers } from "../../src/testing/runtime/virtual-timers.js";
import { Ledger } from "../contract/session-ledger.js";
import { type Cut, CuttingLine } from "./cutting-line.js";
import { closeByHand, nextRound, openByHand } from "./peers.js";

const CASES = Math.ceil(Number(process.env.SENDALL_RUNS ?? 300) / 5);
/** How many cases are played at once. */
const WIDTH = 8;
const CUTS: readonly Cut[] = ["close", "reset", "vanish"];
/** Virtual time passes when the event loop has gone round so often; then what is on its way has mostly arrived. */
const ROUNDS = 10;
const STEP_MS = 500;
/** A case that needs more steps has come to a standstill. */
const MAX_STEPS = 5_000;

type Pick = <T>(...values: readonly T[]) => T;

function optionsOf(pick: Pick, ledger: Ledger): ServeOptions<Record<string, unknown>> {
  return {
    heartbeat: { intervalMs: 20_000, timeoutMs: 10_000 },
    resume: { graceMs: pick(5_000, 60_000, 120_000), maxBytes: pick(500, 20_000, 1_048_576) },
    outbox: { maxBufferedBytes: pick(20_000, 1_048_576), slowConsumer: ledger.policy },
    compression: pick(true, false),
    sockjs: true,
    handler: ledger.handler,
  };
}

/** Makes sockets of `ws` whose client is on virtual time. */
function timedClass(clock: HandClock, random: SeededRandom): typeof WebSocket {
  class TimedWebSocket extends WebSocket {}
  Object.defineProperty(TimedWebSocket, Symbol.for("sendall.clock"), { value: createVirtualTimers(clock, random) });
  return TimedWebSocket;
}

/** Lets time pass until it holds. */
async function pass(clock: HandClock, holds: () => boolean): Promise<void> {
  for (let steps = 0; !holds(); steps++) {
    if (steps === MAX_STEPS) throw new Error(`a standstill: ${holds}`);
    for (let round = 0; round < ROUNDS && !holds(); round++) await nextRound();
    if (!holds()) clock.pass(STEP_MS);
  }
}

async function playCase(seed: number): Promise<Ledger> {
  const random = new SeededRandom(seed);
  const pick: Pick = (...values) => values[random.below(values.length)] as (typeof values)[number];
  const ledger = new Ledger(pick("close", "dropOldest", "dropNewest"));
  const { server, clock } = await openByHand(optionsOf(pick, ledger));
  const range = pick(800, 4_000, 30_000);
  const next = (): { cut: Cut; bytes: number } => ({ cut: pick(...CUTS), bytes: 1 + random.below(range) });
  const line = await CuttingLine.to(server.port, { count: 1 + random.below(6), next });
  const client: Client = connect(`ws://${line.host}${pick("/", "/websocket")}`, {
    WebSocket: timedClass(clock, random),
    reconnect: { minMs: 500, maxMs: 2_000 },
    ...ledger.options,
  });
  const down = (bytes: number): void => {
    const isOpen = (id: string): boolean => server.connections().some((connection) => connection.id === id);
    ledger.down((text, id) => server.unicast(text, id), isOpen, bytes);
  };
  try {
    await pass(clock, () => client.state === "open");
    for (let i = 0; i < 20; i++) {
      ledger.up(client, pick(0, 1, 5), pick(5, 200, 3_000));
      down(pick(5, 200, 3_000));
      for (let rounds = pick(0, 1, 5, 20); rounds > 0; rounds--) await nextRound();
      if (random.below(4) === 0) clock.pass(pick(100, 1_000, 5_000));
    }
    const isCalm = (): boolean => client.state === "open" && client.pending === 0 && ledger.hasLast;
    await pass(clock, isCalm);
    ledger.checkCalm(server.stats(), false);
    client.close();
    await pass(clock, () => client.state === "closed" && server.stats().connections === 0 && ledger.isOver);
    ledger.checkEnd(server.stats());
    return ledger;
  } finally {
    client.close();
    line.close();
    await closeByHand(server, clock);
  }
}

test(`messages come once and in order over a line that cuts at random bytes, or both ends are told (${CASES} cases)`, async () => {
  const outcomes = new Map<string, number>();
  let seed = 0;
  const work = async (): Promise<void> => {
    while (seed < CASES) {
      const own = ++seed;
      const ledger = await playCase(own).catch((error) => {
        throw new Error(`case ${own}: ${error.message}`, { cause: error });
      });
      for (const { openings } of ledger.sessions)
        for (const { why } of openings) outcomes.set(why, (outcomes.get(why) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
  expect(outcomes.get("resumed")).toBeGreaterThan(CASES / 2);
  expect([...outcomes.keys()].toSorted()).toEqual(["expired", "gap", "new", "resumed"]);
}, 3_000_000);
