/** Calls of a typed client over a line that drops, delays and cuts: a process of its own plays them in virtual time. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

/** A line of `programs/call-storm.js`. */
interface Round {
  readonly settled: number;
  readonly ends: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  readonly pending: number;
  readonly state: string;
  readonly problems: readonly string[];
  readonly heap: number;
}

const ENDS = [
  "answered",
  "CALL_REFUSED",
  "CALL_FAILED",
  "CALL_TIMEOUT",
  "CONNECTION_LOST",
  "TOO_MANY_CALLS",
  "aborted",
];

async function storm(seed: number): Promise<Round[]> {
  const program = fileURLToPath(new URL("./programs/call-storm.js", import.meta.url));
  const child = spawn(process.execPath, ["--expose-gc", program, String(seed)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill());
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("ten rounds of 10,000 calls over a line that drops, delays and cuts settle each call once and in time, and leave nothing pending and no memory", async () => {
  const rounds = await storm(1);
  expect(rounds.length).toBe(10);
  for (const { settled, ends, after, pending, state, problems } of rounds) {
    expect(problems).toEqual([]);
    expect(settled).toBe(10_000);
    expect(ends.answered).toBeGreaterThan(1_000);
    // As many calls as may be pending find a place at once, and one more does not.
    expect(after).toEqual({ answered: 256, TOO_MANY_CALLS: 1 });
    expect([pending, state]).toEqual([0, "open"]);
  }
  // Every kind of end is there, and no other.
  const ends = new Set(rounds.flatMap((round) => Object.keys(round.ends)));
  expect([...ends].sort()).toEqual([...ENDS].sort());
  const [, second] = rounds;
  expect((rounds.at(-1)?.heap ?? 0) / (second?.heap ?? 1)).toBeLessThan(1.05);
}, 600_000);
