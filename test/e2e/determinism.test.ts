/**
 * The same seed gives the same bytes, on every Node and every machine: `.ci/run` plays this on Node 20, 22, 24 and 26. Whoever changes
 * what the server does on purpose writes the log anew: `node test/e2e/programs/seeded.js > test/e2e/fixtures/seeded.log`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const expected = readFileSync(new URL("./fixtures/seeded.log", import.meta.url));

async function play(name: string): Promise<Buffer> {
  const program = fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return Buffer.concat(chunks);
}

test("a seeded log is, byte for byte, the one that is kept here", async () => {
  const log = await play("seeded");
  // Line by line first: that shows where they part.
  expect(String(log).split("\n")).toEqual(String(expected).split("\n"));
  expect(log.equals(expected)).toBe(true);
});

test("a failure that depends on more than the seed is told from one that the seed plays again", async () => {
  const lines = String(await play("unseeded"))
    .trimEnd()
    .split("\n");
  const unseeded = "something outlives a run, or is not seeded: the run with seed";
  expect(lines).toEqual([
    "seeded: the run with seed 3 fails: seed 3 fails",
    `a table of the module: ${unseeded} 1 came out differently when it was played again`,
    `Math.random: ${unseeded} 3 came out differently when it was played again`,
    `the time: ${unseeded} 3 came out differently when it was played again`,
    `a socket: ${unseeded} 3 came out differently when it was played again`,
  ]);
});
