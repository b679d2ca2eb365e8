/**
 * The typed half of a client, or of a channel of a client: names and checks of messages, and calls. A page loads this file with the
 * protocol, and the client hands over what is needed. The names in the contract are read by two programs.
 */
import type { SendallError } from "../api/errors.js";
import type { Definition } from "./definition.js";

/** What a client or channel gives to its typed half. The names stand in two bundles, and are never shortened. */
export interface TypedClientParts {
  /** The options `on` and `calls`, as the program has given them. */
  readonly options: { readonly on?: object; readonly calls?: { readonly maxPending?: number } };
  /** Sends a text, or keeps the text. @param owner of a call, told by `withdraw`; `undefined` for a message @returns `false` if not taken */
  post(text: string, owner: object | undefined): boolean;
  /** Whether a call still waits for a socket. */
  waits(owner: object): boolean;
  /** Takes what waits for a socket out of the queue; what a socket has taken goes on for nobody. */
  withdraw(owner: object): void;
  /** Hands an error to `onError` and its listeners. */
  fail(error: SendallError): void;
  readonly timers: {
    setTimeout(ring: () => void, ms: number): unknown;
    clearTimeout(timer: unknown): void;
  };
}

/** What the client or channel calls. */
export interface TypedClientCore {
  /** A text frame has come. */
  onText(text: string): void;
  /** @param isSame whether the session goes on without a gap: nothing is lost */
  onOpen(isSame: boolean): void;
  /** The line is lost. @param isOver whether for good @param isKept whether the session may go on */
  onClose(isOver: boolean, isKept: boolean): void;
  /** `send`, `call`, `on` and so on, in place of those of the plain client. */
  readonly face: object;
}

export function createTypedClient(_definition: Definition, _parts: TypedClientParts): TypedClientCore {
  throw new Error("not built");
}
