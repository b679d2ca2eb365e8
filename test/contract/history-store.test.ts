/** Every store of ours keeps the contract that others are given to test theirs with. */
import { testHistoryStore } from "sendall/testing/history-store";
import { describe, test } from "vitest";
import { MemoryHistory } from "../../src/history/memory.js";

describe("memory", () => {
  testHistoryStore({ test, create: () => new MemoryHistory() });
});
