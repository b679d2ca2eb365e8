/** Test runners of others: the example tests of `examples/testing/`, as their first lines say, and clients under fake timers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(import.meta.url);

/** Where the program of a package is. */
function programOf(name: string, path: string): string {
  return join(dirname(require.resolve(`${name}/package.json`)), path);
}

async function run(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  // What this test runner has told its own children is nothing for others.
  const { NODE_OPTIONS: _, VITEST: __, NODE_TEST_CONTEXT: ___, FORCE_COLOR: ____, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  const [code] = await once(child, "close");
  return { code, output };
}

test.each([
  ["vitest", [programOf("vitest", "vitest.mjs"), "run", "--root", "examples/testing"], /Tests .*5 passed/],
  [
    "jest",
    ["--experimental-vm-modules", programOf("jest", "bin/jest.js"), "--rootDir", "examples/testing", "jest.test.js"],
    /Tests: +5 passed, 5 total/,
  ],
  ["node:test", ["--test", "--test-reporter=tap", "examples/testing/node.test.js"], /# pass 5\n# fail 0/],
])("the example for %s passes", async (_name, args, passed) => {
  const { code, output } = await run(args);
  expect(output).toMatch(passed);
  expect(code).toBe(0);
});

const FAKE_TIMERS = "test/e2e/programs/fake-timers";

test.each([
  ["vitest", [programOf("vitest", "vitest.mjs"), "run", "--root", FAKE_TIMERS], /Tests .*1 passed/],
  [
    "jest",
    [
      "--experimental-vm-modules",
      programOf("jest", "bin/jest.js"),
      "--rootDir",
      FAKE_TIMERS,
      "--testMatch",
      "**/jest.js",
    ],
    /Tests: +2 passed, 2 total/,
  ],
  ["node:test", ["--test", "--test-reporter=tap", `${FAKE_TIMERS}/node.js`], /# pass 1\n# fail 0/],
])("a client that is closed while it waits ends under the fake timers of %s", async (_name, args, passed) => {
  const { code, output } = await run(args);
  expect(output).toMatch(passed);
  expect(code).toBe(0);
});
