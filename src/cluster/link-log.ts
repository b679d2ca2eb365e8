/** What a node logs of its link to the engine. The relay makes the log, which lasts as long. */
import type { Logger } from "../runtime/logger.js";
import { messageOf } from "../runtime/thrown.js";

export interface LinkLogParts {
  /** The node's id. */
  readonly node: string;
  /** Names the engine. */
  readonly engine: string;
  readonly log: Logger;
}

export class LinkLog {
  readonly #parts: LinkLogParts;
  #lastProblem = "";

  constructor(parts: LinkLogParts) {
    this.#parts = parts;
  }

  up(subscriptions: number): void {
    this.#lastProblem = "";
    const { engine, node, log } = this.#parts;
    log.info({ engine, node, subscriptions }, "cluster link up");
  }

  /** @param hasChanged whether the link was not down before: during an outage every attempt may fail with the same error, which is logged once */
  down(error: unknown, hasChanged: boolean): void {
    const problem = messageOf(error);
    if (!hasChanged && problem === this.#lastProblem) return;
    this.#lastProblem = problem;
    const { engine, node, log } = this.#parts;
    log.warn({ engine, node, err: error }, "cluster link down");
  }

  refused(error: unknown, subjects: readonly string[]): void {
    const { engine, log } = this.#parts;
    const problem = "the engine refuses subscriptions: messages of other nodes do not arrive";
    log.error({ engine, subjects, err: error }, problem);
  }
}
