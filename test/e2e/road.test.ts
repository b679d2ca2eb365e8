/** The road of a message, followed by Node's coverage through the built package, and held against ARCHITECTURE.md. */
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { start, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

const architecture = readFileSync(new URL("../../ARCHITECTURE.md", import.meta.url), "utf8");

/** The files at the heads of the numbered list below a heading of ARCHITECTURE.md, in the order of the road. */
function roadOf(heading: string): string[] {
  const [, section = ""] = architecture.split(`\n### ${heading}\n`);
  const [list = ""] = section.split("\n#");
  return [...list.matchAll(/^\d+\. `src\/(.+?)\.ts`/gm)].map(([, file = ""]) => file);
}

/** Which files run: on the way to the handler, and on the way back. */
async function follow(): Promise<{ readonly toHandler: string[]; readonly toSocket: string[] }> {
  const { code, stdout } = await start("test/e2e/programs/road.js").ended;
  expect(code).toBe(0);
  return JSON.parse(stdout.join("\n"));
}

test("a message runs through the files of ARCHITECTURE.md, from the socket to the handler and back", async () => {
  const { toHandler, toSocket } = await follow();
  const [roadIn, roadBack] = [roadOf("In: fifteen files"), roadOf("Back: nine more")];
  expect(toHandler).toEqual(roadIn.toSorted());
  expect(toSocket.filter((file) => !toHandler.includes(file))).toEqual(roadBack.toSorted());
  expect([roadIn.length, roadBack.length]).toEqual([15, 9]);
});
