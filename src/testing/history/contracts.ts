/** What the parts of `testHistoryStore` are given: for each test, nodes with the store under test. */
import type { HistoryLimits } from "../../api/history-store.js";
import type { StoreNode } from "./store-node.js";

/** Opens a node: by default of the test's own name, beside the nodes that are open. */
export type OpenNode = (limits?: Partial<HistoryLimits>, name?: string) => Promise<StoreNode>;

/** Declares a test. All nodes of a test have one clock, and are closed at its end. */
export type Declare = (title: string, run: (open: OpenNode) => Promise<void>) => void;
