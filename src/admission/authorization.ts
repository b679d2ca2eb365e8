/**
 * Decisions of the program on an upgrade attempt, by the options `authorize` and `resume.verify`, as the last check of the gate. Each call
 * ends with an answer, when the time is up, or when the peer leaves.
 */
import type { UpgradeRequest } from "../api/authorize.js";
import { type Refusal, Rejection } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { type LeakOwner, optionOwner, runFor } from "../runtime/unhandled-rejections.js";
import { type Head, ParsedHead } from "./request-head.js";
import { offeredProtocols } from "./subprotocol.js";
import { LEFT, type UpgradeAttempt } from "./upgrade-attempt.js";

/** The answer of the program: a refusal, or a value (of `authorize`: the data of the connection to come). */
export type AuthorizationAnswer =
  | { readonly refusal: Refusal /** Whether the program itself has refused. */; readonly isRejection: boolean }
  | { readonly refusal?: undefined; readonly data: unknown };

/** What the program is asked about, and for how long. */
export interface AuthorizationSubject {
  readonly attempt: UpgradeAttempt;
  readonly head: Head;
  readonly params: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** Asks the function of a single option. */
export class Authorization {
  readonly #option: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Logs rejections and exceptions from code that the function leaves behind. */
  readonly #owner: LeakOwner;
  /** Cancels for the calls under way. */
  readonly #pending = new Set<(refusal: Refusal) => void>();

  /** @param option the name of the option, for the log and for refusals */
  constructor(option: string, clock: Clock, log: Logger) {
    this.#option = option;
    this.#clock = clock;
    this.#log = log;
    this.#owner = optionOwner(option, clock, log);
  }

  /** The number of calls under way. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Refuses every pending attempt, and aborts the signals of the requests. */
  cancelAll(refusal: Refusal): void {
    for (const cancel of [...this.#pending]) cancel(refusal);
  }

  /** Runs the user's code, guarded, until `timeoutMs` is over or the peer leaves. Never rejects. */
  ask(
    decide: (request: UpgradeRequest) => unknown,
    { attempt, head, params, timeoutMs }: AuthorizationSubject,
  ): Promise<AuthorizationAnswer> {
    const { signal } = attempt;
    if (signal.aborted) return Promise.resolve({ refusal: LEFT, isRejection: false });
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
        settle({ refusal, isRejection: false });
        runFor(this.#owner, () => abort.abort());
      };
      const onLeft = (): void => cancel(LEFT);
      const timer = this.#clock.after(timeoutMs, () => cancel({ status: 503, body: `${this.#option} took too long` }));
      signal.addEventListener("abort", onLeft);
      this.#pending.add(cancel);
      (async () => runFor(this.#owner, decide, request))().then(
        (answer) => settle(isRejection(answer) ? rejected(answer) : { data: answer }),
        (error: unknown) => {
          if (isRejection(error)) {
            settle(rejected(error));
            return;
          }
          const problem = `${this.#option} failed`;
          // A throw after the abort of the signal is no failure.
          if (!abort.signal.aborted) this.#log.error({ err: error, path: facts.path }, problem);
          settle({ refusal: { status: 500, body: problem }, isRejection: false });
        },
      );
    });
  }
}

function rejected({ refusal }: Rejection): AuthorizationAnswer {
  return { refusal, isRejection: true };
}

/** `instanceof` throws for a proxy with a throwing `getPrototypeOf` trap. User code may return or throw such a proxy: no rejection. */
export function isRejection(answer: unknown): answer is Rejection {
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
    // Read when the program asks, since the request may have to be made.
    get raw() {
      return attempt.raw;
    },
  };
}
