/**
 * The same seed gives the same bytes, on every Node and every machine: `.ci/run` plays this on Node 20, 22 and 24. Whoever changes
 * what the server does on purpose writes the log anew: `node test/e2e/programs/seeded.js > test/e2e/fixtures/seeded.log`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("./programs/seeded.js", import.meta.url));
const expected = readFileSync(new URL("./fixtures/seeded.log", import.meta.url));

async function play(): Promise<Buffer> {
  const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  return Buffer.concat(chunks);
}

test("a seeded log is, byte for byte, the one that is kept here", async () => {
  const log = await play();
  // Line by line first: that shows where they part.
  expect(String(log).split("\n")).toEqual(String(expected).split("\n"));
  expect(log.equals(expected)).toBe(true);
});
