/**
 * The one place where a client calls the user's code. What a callback throws never reaches the client or the process: it is
 * told to `onError`, and to the console when there is no `onError` or when that is what threw.
 */
import { SendallError } from "../api/errors.js";
import { isPromiseLike } from "../runtime/promises.js";
import { messageOf } from "../runtime/thrown.js";

type OnError = (error: Error) => unknown;

/** Calls callbacks for a client or a channel; `fallback` hears what there is no `onError` for. */
export class Callbacks {
  readonly #onError: OnError | undefined;
  readonly #fallback: ((error: Error) => void) | undefined;

  constructor(onError: OnError | undefined, fallback?: (error: Error) => void) {
    this.#onError = onError;
    this.#fallback = fallback;
  }

  run<A extends readonly unknown[]>(name: string, callback: ((...args: A) => unknown) | undefined, ...args: A): void {
    if (callback === undefined) return;
    call(callback, args, (thrown) => this.tellFailure(failureOf(name, thrown)));
  }

  /** Code of the user's has thrown that is no callback; `name` says which. */
  failed(name: string, thrown: unknown): void {
    this.tellFailure(failureOf(name, thrown));
  }

  /** An error of the connection: who does not listen for it need not hear of it. */
  tell(error: Error): void {
    if (this.#onError === undefined) return;
    call(this.#onError, [error], (thrown) => print(failureOf("onError", thrown)));
  }

  /** Something that the user's code threw: somebody hears of it in any case. */
  tellFailure(error: Error): void {
    if (this.#onError !== undefined) this.tell(error);
    else if (this.#fallback !== undefined) this.#fallback(error);
    else print(error);
  }
}

/** Calls it and hears of a throw, now or, from an async function, later. */
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

/** The console looks at the cause, too, which may be what cannot be read. */
function print(error: Error): void {
  try {
    console.error(error);
  } catch {
    console.error(messageOf(error));
  }
}
