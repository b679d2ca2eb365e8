/**
 * Supervision of one route: records each failure of the user's code, and spends from the failure budget of the connection or
 * handler at fault. A used-up budget closes the connection, or fails the target. Restarts stop when the server closes.
 */
import { type CloseReason, HANDLER_FAILED } from "../../api/close-codes.js";
import type { Connection, ConnectionId } from "../../api/connection.js";
import type { Failure } from "../../api/stats.js";
import { copyThrown, cutText } from "../../log/excerpt.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { show } from "../../runtime/show.js";
import { causeOf } from "../presence/presence-event.js";
import type { Counters } from "./counters.js";
import { FailureBudget } from "./failure-budget.js";
import type { MailboxEvent } from "./mailbox-event.js";
import type { HandlerObserver } from "./observer.js";
import type { Target } from "./runner.js";

export interface SupervisionParts {
  readonly settings: {
    readonly strategy: "resume" | "restart";
    readonly intensity: number;
    readonly periodMs: number;
    readonly keepData: boolean;
  };
  readonly clock: Clock;
  readonly log: Logger;
  readonly counters: Counters;
  readonly observer: HandlerObserver | undefined;
}

const MAX_KEPT_BYTES = 1_024;

export class Supervision {
  readonly #parts: SupervisionParts;
  readonly #budget: FailureBudget<object>;
  #isClosing = false;

  constructor(parts: SupervisionParts) {
    this.#parts = parts;
    this.#budget = new FailureBudget(parts.settings);
  }

  /** The server is closing: nothing is restarted from now on. */
  stop(): void {
    this.#isClosing = true;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** An event has failed. @param tookMs how long the event was under way */
  onEventFailed(error: unknown, event: MailboxEvent, target: Target, tookMs: number): void {
    // No event of its own of the connection that has caused news: the runner need not know.
    const cause = event.connection === undefined ? causeOf(event) : undefined;
    const connection = event.connection ?? cause?.find();
    this.record(error, event.type, connection?.id, event);
    if (event.connection !== undefined && target.runner.failed?.(event.connection)) return;
    // A peer of another node is charged nowhere.
    if (cause === undefined || connection !== undefined) this.spend(error, target, connection, tookMs);
    this.restartIfAsked(target);
  }

  restartIfAsked(target: Target): void {
    if (this.#parts.settings.strategy === "restart" && !this.#isClosing) target.restart();
  }

  /** Without a connection the target itself has failed. @param reason why a connection without budget is closed */
  spend(
    error: unknown,
    target: Target,
    connection: Connection | undefined,
    tookMs = 0,
    reason: CloseReason = HANDLER_FAILED,
  ): void {
    const culprit = connection ?? target;
    const sequence = target.concurrency === "serial" ? target : culprit;
    const isUsedUp = this.#budget.spend(culprit, { now: this.#parts.clock.now(), tookMs, sequence });
    if (isUsedUp && connection !== undefined) connection.close(reason.code, reason.reason);
    else if (isUsedUp) target.fail(error);
  }

  record(error: unknown, what: string, connection?: ConnectionId, event?: MailboxEvent): void {
    const { clock, counters, log, observer, settings } = this.#parts;
    log.error({ err: error, event: what, connection }, "handler failed");
    const data = event !== undefined && "data" in event && settings.keepData ? { data: cut(event.data) } : {};
    const kept = { error: copyThrown(error), ...(connection && { connection }), ...data };
    const failure: Failure = { at: clock.now(), event: what, ...kept };
    counters.addFailure(failure);
    observer?.failed(failure, error);
  }
}

/** Copied: a slice would keep the whole message in memory. */
function cut(data: unknown): unknown {
  if (Buffer.isBuffer(data)) return Buffer.from(data.subarray(0, MAX_KEPT_BYTES));
  return cutText(typeof data === "string" ? data : show(data), MAX_KEPT_BYTES);
}
