/**
 * Calls the user's callbacks for a client or a channel; no code of the client calls a callback directly. An exception in a callback
 * reaches neither the client nor the process: the exception goes to `onError`, or to the console without an `onError` or if `onError`
 * itself has thrown.
 */
import { SendallError } from "../api/errors.js";
import { isPromiseLike } from "../runtime/promises.js";
import { messageOf } from "../runtime/thrown.js";

type OnError = (error: Error) => unknown;

/** Without an `onError`, exceptions go to `fallback`; without a `fallback`, to the console. */
export class Callbacks {
  readonly #onError: OnError | undefined;
  readonly #fallback: ((error: Error) => void) | undefined;

  constructor(onError: OnError | undefined, fallback?: (error: Error) => void) {
    this.#onError = onError;
    this.#fallback = fallback;
  }

  run<A extends readonly unknown[]>(name: string, callback: ((...args: A) => unknown) | undefined, ...args: A): void {
    if (callback === undefined) return;
    call(callback, args, (thrown) => this.reportFailure(failureOf(name, thrown)));
  }

  /** Reports an exception of user code that is not a callback; `name` names the code. */
  onThrown(name: string, thrown: unknown): void {
    this.reportFailure(failureOf(name, thrown));
  }

  /** Reports an error of the connection to `onError`, if any. */
  report(error: Error): void {
    if (this.#onError === undefined) return;
    call(this.#onError, [error], (thrown) => print(failureOf("onError", thrown)));
  }

  /** Reports an exception of user code, which always goes somewhere: to `onError`, to `fallback` or to the console. */
  reportFailure(error: Error): void {
    if (this.#onError !== undefined) this.report(error);
    else if (this.#fallback !== undefined) this.#fallback(error);
    else print(error);
  }
}

/** Calls a callback. `failed` gets the exception, or later the rejection of an async callback. */
function call<A extends readonly unknown[]>(
  callback: (...args: A) => unknown,
  args: A,
  failed: (thrown: unknown) => void,
): void {
  try {
    const result = callback(...args);
    if (isPromiseLike(result)) Promise.resolve(result).catch(failed);
  } catch (thrown) {
    failed(thrown);
  }
}

function failureOf(name: string, thrown: unknown): SendallError {
  return new SendallError("CALLBACK_FAILED", `${name} failed: ${messageOf(thrown)}`, { cause: thrown });
}

/** The console also formats the error's cause, which may throw on inspection. */
function print(error: Error): void {
  try {
    console.error(error);
  } catch {
    console.error(messageOf(error));
  }
}
