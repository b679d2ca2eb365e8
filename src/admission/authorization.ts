/**
 * Authorization: calls the option `authorize` for an upgrade attempt, as the last check of the gate. Each call ends with an answer, when
 * the time is up, or when the peer leaves.
 */
import type { Authorize, UpgradeRequest } from "../api/authorize.js";
import { type Refusal, Rejection } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { type LeakOwner, optionOwner, runFor } from "../runtime/unhandled-rejections.js";
import { type Head, ParsedHead } from "./request-head.js";
import { offeredProtocols } from "./subprotocol.js";
import { LEFT, type UpgradeAttempt } from "./upgrade-attempt.js";

const FAILED: Refusal = { status: 500, body: "authorize failed" };
const TOO_SLOW: Refusal = { status: 503, body: "authorize took too long" };

/** The answer of `authorize`: a refusal, or the data of the connection to come. */
export type AuthorizationAnswer =
  | { readonly refusal: Refusal }
  | { readonly refusal?: undefined; readonly data: unknown };

/** What `authorize` is asked about, and for how long. */
export interface AuthorizationSubject {
  readonly attempt: UpgradeAttempt;
  readonly head: Head;
  readonly params: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export class Authorization {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Logs rejections and exceptions from code that `authorize` leaves behind. */
  readonly #owner: LeakOwner;
  /** Cancels for the calls under way. */
  readonly #pending = new Set<(refusal: Refusal) => void>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    this.#owner = optionOwner("authorize", clock, log);
  }

  /** The number of calls under way. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Refuses every pending attempt, and aborts the signals given to `authorize`. */
  cancelAll(refusal: Refusal): void {
    for (const cancel of [...this.#pending]) cancel(refusal);
  }

  /** Runs the user's code, guarded, until `timeoutMs` is over or the peer leaves. Never rejects. */
  ask(
    authorize: Authorize<unknown>,
    { attempt, head, params, timeoutMs }: AuthorizationSubject,
  ): Promise<AuthorizationAnswer> {
    const { signal } = attempt;
    if (signal.aborted) return Promise.resolve({ refusal: LEFT });
    const abort = new AbortController();
    const facts = new ParsedHead(head);
    const request = toRequest(attempt, facts, params, abort.signal);
    return new Promise((resolve) => {
      const settle = (answer: AuthorizationAnswer): void => {
        timer.cancel();
        signal.removeEventListener("abort", onLeft);
        this.#pending.delete(cancel);
        resolve(answer);
      };
      const cancel = (refusal: Refusal): void => {
        settle({ refusal });
        runFor(this.#owner, () => abort.abort());
      };
      const onLeft = (): void => cancel(LEFT);
      const timer = this.#clock.after(timeoutMs, () => cancel(TOO_SLOW));
      signal.addEventListener("abort", onLeft);
      this.#pending.add(cancel);
      (async () => runFor(this.#owner, authorize, request))().then(
        (answer) => settle(isRejection(answer) ? { refusal: answer.refusal } : { data: answer }),
        (error: unknown) => {
          if (isRejection(error)) {
            settle({ refusal: error.refusal });
            return;
          }
          // A throw after the abort of the signal is no failure.
          if (!abort.signal.aborted) this.#log.error({ err: error, path: facts.path }, "authorize failed");
          settle({ refusal: FAILED });
        },
      );
    });
  }
}

/** `instanceof` throws for a proxy with a throwing `getPrototypeOf` trap. User code may return or throw such a proxy: no rejection. */
function isRejection(answer: unknown): answer is Rejection {
  try {
    return answer instanceof Rejection;
  } catch {
    return false;
  }
}

function toRequest(
  attempt: UpgradeAttempt,
  facts: ParsedHead,
  params: AuthorizationSubject["params"],
  signal: AbortSignal,
): UpgradeRequest {
  const { path, query, headers, cookies, head } = facts;
  const { remoteAddress, secure } = head;
  return {
    path,
    params,
    query,
    headers,
    cookies,
    origin: headers.origin,
    protocols: offeredProtocols(headers),
    remoteAddress,
    secure,
    signal,
    raw: attempt.raw,
  };
}
