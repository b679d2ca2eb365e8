/**
 * What a call of a test runtime rejects with, besides its own errors: the first failure of a handler, and the first invalid message of the
 * server, since the last such call. Each runtime has {@link Failures} for its whole life.
 */
import type { SendallError } from "../../api/errors.js";
import type { Failure } from "../../api/stats.js";
import { withOrigin } from "./handler-errors.js";

export class Failures {
  readonly #nameOf: (id: string) => string;
  /** Its `error` is the thrown value itself, not a copy. */
  #failure: Failure | undefined;
  #invalid: SendallError | undefined;

  /** @param nameOf a connection's name for error messages */
  constructor(nameOf: (id: string) => string) {
    this.#nameOf = nameOf;
  }

  /** Whether the next call of the runtime will reject. */
  get isPending(): boolean {
    return this.#failure !== undefined || this.#invalid !== undefined;
  }

  onHandlerFailed(failure: Failure): void {
    this.#failure ??= failure;
  }

  /** A typed client has got a message that does not fit the protocol. */
  onInvalidMessage(error: SendallError): void {
    this.#invalid ??= error;
  }

  /** The error of the handler, which then counts as told. */
  takeHandlerError(): Error | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure && withOrigin(failure, this.#nameOf);
  }

  throwFirst(): void {
    const invalid = this.#invalid;
    this.#invalid = undefined;
    const error = this.takeHandlerError() ?? invalid;
    if (error !== undefined) throw error;
  }
}
