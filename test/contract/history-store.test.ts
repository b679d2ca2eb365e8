/** Every store of ours keeps the contract that others are given to test theirs with. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqlite } from "sendall/sqlite";
import { testHistoryStore } from "sendall/testing/history-store";
import { afterAll, beforeAll, describe, test } from "vitest";
import { MemoryHistory } from "../../src/history/memory.js";
import { requires } from "../e2e/requires.js";

describe("memory", () => {
  testHistoryStore({ test, create: () => new MemoryHistory() });
});

const { skip } = requires("sqlite");

describe.skipIf(skip)("sqlite", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "sendall-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  testHistoryStore({ test, create: (name) => sqlite({ file: join(folder, `${name}.db`) }), survives: true });
});
