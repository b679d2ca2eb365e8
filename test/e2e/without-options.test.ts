/** Without the options `presence` and `history` nothing is paid for them, and with them a connection that is in no room takes no object. */
import { afterEach, expect, test } from "vitest";
import { start, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

interface Measured {
  readonly files: { readonly without: readonly string[]; readonly with: readonly string[] };
  /** For each silent connection, those of the test client included. */
  readonly objects: { readonly without: number; readonly with: number };
}

test.each([
  ["presence", "actors/presence/presence"],
  ["history", "actors/history/history"],
])(
  "connections that come, join, send, leave and close run no file of %s without the option, and a silent one takes no object with it",
  async (option, file) => {
    const { code, stdout } = await start("test/e2e/programs/without-option.js", [option]).ended;
    expect(code).toBe(0);
    const { files, objects }: Measured = JSON.parse(stdout.join("\n"));
    expect(files.without).toEqual([]);
    // The same life with the option: the measure sees what runs.
    expect(files.with).toContain(file);
    expect(objects.with).toBeCloseTo(objects.without, 1);
  },
);
