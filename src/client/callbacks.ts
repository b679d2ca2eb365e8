/**
 * Calls the user's callbacks for a client or a channel: the callbacks of the options, then listeners in the order of their registration. No
 * code of the client calls a callback directly. An exception in a callback reaches neither the client nor the process: the exception goes
 * to the callbacks for errors, or to the console if there is none or if a callback for errors has thrown.
 */
import { SendallError } from "../api/errors.js";
import type { Line } from "../protocol/calls.js";
import type { CreateTypedHalf } from "../protocol/typed-client.js";
import { isFunction } from "./arguments.js";
import { messageOf } from "./attempt.js";
import type { ChannelSettings } from "./client-protocol.js";
import type { ClientClosing, ClientOpening, ClientStatus } from "./options.js";
import { callbackText, failureText, IS_WORDY, refuse, refuseType } from "./texts.js";

/** What listeners of a client get, by the type given to `on`. */
export interface ClientEvents {
  /** A connection has opened. */
  readonly open: ClientOpening;
  /** A message has come: a string for a text frame, bytes for a binary frame. */
  readonly message: string | Uint8Array;
  /** A connection, or an attempt to connect, has ended. */
  readonly close: ClientClosing;
  /** A `SendallError` that `code` tells from others. */
  readonly error: SendallError;
}

/** The type of changes of the status: empty, since a protocol may have a message of any other name. */
export const STATUS = "";

interface CallbackArguments extends ClientEvents {
  readonly [STATUS]: ClientStatus;
}

type Callback = (argument: never) => unknown;

/** Each callback in a list of its own: the same function may be there twice. */
type Own = readonly [callback: Callback | undefined];

export interface Callbacks {
  /** @returns removes the callback; throws `BAD_OPTION` for another type, or anything but a function */
  enlist(type: string, callback: Callback): () => void;
  emit<T extends keyof CallbackArguments>(type: T, argument: CallbackArguments[T]): void;
  /** Reports an exception of user code, which always goes somewhere. */
  report(error: SendallError): void;
  /**
   * What the program gets: the client or channel itself, or with a protocol the typed half in front.
   * @param post sends a call. `false` if not taken
   */
  face<P extends object>(plain: P, post: (text: string, call: object) => boolean, line: Line): P;
}

/** Without a callback for errors, exceptions go to `fallback`. */
export function createCallbacks(options: ChannelSettings, fallback: (error: SendallError) => void = print): Callbacks {
  /** Takes an event before the callbacks. */
  let half: ReturnType<CreateTypedHalf> | undefined;
  const lists = {
    __proto__: null,
    open: [[options.onOpen]],
    message: [[options.onMessage]],
    close: [[options.onClose]],
    error: options.onError ? [[options.onError]] : [],
    [STATUS]: [],
  } as unknown as Record<string, Own[]>;
  const emit = (type: string, argument: unknown): void => {
    if (half?.[1](type, argument)) return;
    const onThrown = (thrown: unknown): void => {
      const error = failureOf(callbackText(type), thrown);
      if (type === "error") print(error);
      else report(error);
    };
    for (const own of lists[type] as Own[]) {
      try {
        // A callback may have removed a later one.
        const result = (lists[type] as Own[]).includes(own) && own[0]?.(argument as never);
        if (result) Promise.resolve(result).catch(onThrown);
      } catch (thrown) {
        onThrown(thrown);
      }
    }
  };
  const report = (error: SendallError): void => {
    if ((lists.error as Own[]).length) emit("error", error);
    else fallback(error);
  };
  const enlist: Callbacks["enlist"] = (type, callback) => {
    const list = lists[type];
    if (!list) refuseType(type, lists);
    if (!isFunction(callback)) refuse("listener", callback);
    const own: Own = [callback];
    lists[type] = [...list, own];
    return () => {
      lists[type] = (lists[type] as Own[]).filter((other) => other !== own);
    };
  };
  return {
    emit,
    report,
    enlist,
    face(plain, post, line) {
      const { protocol } = options;
      if (!protocol) return (options.on ?? options.calls) ? refuse("protocol", protocol) : plain;
      half = protocol["~sendall"].createClient(plain, options, lists, enlist, emit, report, post, line);
      return half[0] as typeof plain;
    },
  };
}

/** @param name names the user's code */
export function failureOf(name: string, thrown: unknown): SendallError {
  return new SendallError("CALLBACK_FAILED", failureText(name, messageOf(thrown)), { cause: thrown });
}

/** The console also formats the error's cause, which may throw on inspection. */
function print(error: Error): void {
  if (IS_WORDY)
    try {
      console.error(error);
    } catch {
      console.error(error.message);
    }
  else console.error(error);
}
