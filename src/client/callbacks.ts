/**
 * Calls the user's callbacks for a client or a channel: the callbacks of the options, then listeners in the order of their registration. No
 * code of the client calls a callback directly. An exception in a callback reaches neither the client nor the process: the exception goes
 * to the callbacks for errors, or to the console if there is none or if a callback for errors has thrown.
 */
import { SendallError } from "../api/errors.js";
import { refuseOption } from "../options/read-options.js";
import { isPromiseLike } from "../runtime/promises.js";
import { show } from "../runtime/show.js";
import { messageOf } from "../runtime/thrown.js";
import type { ChannelOptions, ClientClosing, ClientOpening, ClientStatus } from "./options.js";

/** What listeners of a client get, by the type given to `on`. */
export interface ClientEvents {
  /** A connection has opened. */
  readonly open: ClientOpening;
  /** A message has come: a string for a text frame, bytes for a binary frame. */
  readonly message: string | Uint8Array;
  /** A connection, or an attempt to connect, has ended. */
  readonly close: ClientClosing;
  /** A `SendallError` that `code` tells from others. */
  readonly error: Error;
}

interface CallbackArguments extends ClientEvents {
  readonly status: ClientStatus;
}

type Callback = (argument: never) => unknown;

export class Callbacks {
  /** Each callback in a list of its own: the same function may listen twice. */
  readonly #lists: Record<string, readonly (readonly [Callback])[]>;
  readonly #fallback: (error: Error) => void;

  /** Without a callback for errors, exceptions go to `fallback`. */
  constructor({ onOpen, onMessage, onClose, onError }: ChannelOptions, fallback: (error: Error) => void = print) {
    const list = (callback: Callback | undefined): (readonly [Callback])[] => (callback ? [[callback]] : []);
    this.#lists = {
      open: list(onOpen),
      message: list(onMessage),
      close: list(onClose),
      error: list(onError),
      status: [],
    };
    this.#fallback = fallback;
  }

  /** @returns removes the callback; throws `BAD_OPTION` for another type, or anything but a function */
  add(type: string, callback: Callback): () => void {
    const lists = this.#lists;
    if (!Object.hasOwn(lists, type))
      refuseOption("type", `expected ${Object.keys(lists).join(", ")}, got ${show(type)}`);
    if (typeof callback !== "function") refuseOption("listener", `expected a function, got ${show(callback)}`);
    const own = [callback] as const;
    lists[type] = [...(lists[type] ?? []), own];
    return () => {
      lists[type] = (lists[type] ?? []).filter((other) => other !== own);
    };
  }

  emit<T extends keyof CallbackArguments>(type: T, argument: CallbackArguments[T]): void {
    const onThrown = (thrown: unknown): void => {
      const error = failureOf(`the callback for "${type}"`, thrown);
      if (type === "error") print(error);
      else this.report(error);
    };
    for (const own of this.#lists[type] ?? []) {
      // A callback may have removed a later one.
      if (!this.#lists[type]?.includes(own)) continue;
      try {
        const result = own[0](argument as never);
        if (isPromiseLike(result)) Promise.resolve(result).catch(onThrown);
      } catch (thrown) {
        onThrown(thrown);
      }
    }
  }

  /** Reports an exception of user code, which always goes somewhere. */
  report(error: Error): void {
    if (this.#lists.error?.length) this.emit("error", error);
    else this.#fallback(error);
  }
}

/** @param name names the user's code */
export function failureOf(name: string, thrown: unknown): SendallError {
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
