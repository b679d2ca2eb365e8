/** Random tests of stores: steps out of a seed, or of a property test, each checked against the ledger. */
import { SeededRandom } from "../runtime/random.js";
import type { Declare } from "./contracts.js";
import { HistoryLedger } from "./ledger.js";
import type { StoreNode } from "./store-node.js";

/** One step of a random test. Rooms are numbers; a position is chosen among the positions that the ledger knows. */
export type HistoryStep =
  | { readonly type: "keep"; readonly room: number; readonly sizes: readonly number[] }
  | { readonly type: "last"; readonly room: number; readonly last: number }
  | { readonly type: "after"; readonly room: number; readonly of: number; readonly choice: number }
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "trim" };

const RUNS = 20;
const STEPS = 120;
const LIMITS = { maxMessages: 8, maxAgeMs: 1_000 };
const MAX_STEP_BYTES = 12;

export function declareRandom(declare: Declare, maxBytes: number | undefined): void {
  const limits = { ...LIMITS, ...(maxBytes !== undefined && { maxBytes }) };
  declare("history: complete means exactly what is missing, whatever happens", async (open) => {
    for (let seed = 0; seed < RUNS; seed++) {
      const node = await open(limits, `seed-${seed}`);
      const ledger = new HistoryLedger(node.host);
      const random = new SeededRandom(seed);
      for (let i = 0; i < STEPS; i++) await takeStep(node, ledger, randomStep(random));
      await node.close();
    }
  });
}

export async function takeStep(node: StoreNode, ledger: HistoryLedger, step: HistoryStep): Promise<void> {
  const now = node.host.clock.now();
  if (step.type === "pass") node.pass(step.ms);
  else if (step.type === "trim") {
    await node.store.trim();
    ledger.trimmed(now);
  } else if (step.type === "keep") await keep(node, ledger, step);
  else await read(node, ledger, step, now);
}

type StepOf<T extends HistoryStep["type"]> = Extract<HistoryStep, { readonly type: T }>;

async function keep(node: StoreNode, ledger: HistoryLedger, { room, sizes }: StepOf<"keep">): Promise<void> {
  const name = `room-${room}`;
  const entries = sizes.map((size) => ({ ...node.text(name, ""), bytes: Buffer.alloc(size, `${size}${room}`) }));
  const positions = await node.keepAll(name, entries);
  for (const [i, entry] of entries.entries()) ledger.kept(entry, positions[i] ?? "");
}

async function read(
  node: StoreNode,
  ledger: HistoryLedger,
  step: StepOf<"last"> | StepOf<"after">,
  now: number,
): Promise<void> {
  const name = `room-${step.room}`;
  const limit = node.host.maxMessages;
  if (step.type === "last") {
    const reading = await node.read(name, { last: step.last, limit });
    ledger.checkLast(name, step.last, now, reading);
    return;
  }
  const positions = ledger.positions(`room-${step.of}`);
  const after = positions[positions.length - 1 - (step.choice % Math.max(positions.length, 1))] ?? "none";
  ledger.checkAfter(name, after, now, await node.read(name, { after, limit }));
}

function randomStep(random: SeededRandom): HistoryStep {
  const room = random.below(3);
  const kind = random.below(20);
  if (kind < 8) {
    const sizes = Array.from({ length: 1 + random.below(3) }, () => random.below(MAX_STEP_BYTES));
    return { type: "keep", room, sizes };
  }
  if (kind < 10) return { type: "last", room, last: random.below(LIMITS.maxMessages + 2) };
  if (kind < 16)
    return { type: "after", room, of: random.below(8) === 0 ? random.below(3) : room, choice: random.below(12) };
  return kind < 19 ? { type: "pass", ms: random.below(500) } : { type: "trim" };
}
