/**
 * What connections that have come and gone leave behind until a full collection. The tables that a `Map` has replaced would keep 4.4 to
 * 5.6 kB of each beyond what Node keeps, and young collections would copy all that; without such tables, it is 1 to 3 kB.
 */
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, expect, test } from "vitest";
import { run, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

const PROGRAM = fileURLToPath(new URL("programs/left-behind.js", import.meta.url));
/** No full collection is due before the end. */
const FLAGS = ["--expose-gc", "--initial-old-space-size=512"];

async function leftBy(way: string): Promise<number> {
  const { code, stdout } = await run(process.execPath, [...FLAGS, PROGRAM, way]).ended;
  expect(code).toBe(0);
  return Number(stdout.join(""));
}

/** What the client leaves, which is in the same process, and Node. */
let base = 0;
beforeAll(async () => {
  base = await leftBy("net");
});

test.each(["handler", "channels", "perConnection", "presence", "resume"])(
  "connections that have come and gone leave little for the next full collection: %s",
  async (way) => {
    expect((await leftBy(way)) - base).toBeLessThan(3_700);
  },
);
