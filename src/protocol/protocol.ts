/**
 * `protocol`: one description of what a client and a server say, from which the checks and the types of both sides follow. The object
 * runs in pages, too; the code that runs a handler is in the server (`handlers/protocol/`).
 */

import type { ConnectionData, Params } from "../api/connection.js";
import type { ShapedHandler } from "../api/handler.js";
import type { Impossible, ResolvedLast } from "../api/inference.js";
import { promised } from "./check.js";
import { type Definition, readSpec } from "./definition.js";
import { describeHandler } from "./describe-handler.js";
import { encodeMessage } from "./encode-message.js";
import type { ProtocolHandlerOptions, ProtocolHandlers } from "./handlers.js";
import { readMembers } from "./names.js";
import type { Encoded, FromServer, PayloadArguments, ProtocolSpec, ServerInput } from "./spec.js";
import { type CreateTypedHalf, createTypedHalf } from "./typed-client.js";

/** The options of `protocol`. */
export interface ProtocolOptions {
  /**
   * `"both"`: each side checks what it sends and what it receives. `"receive"`: what a side sends is typed and not checked. Default:
   * `"both"`.
   */
  readonly check?: "both" | "receive";
}

/**
 * Makes a message of the server, for `unicast`, `broadcast`, `sendall`, `send` and `reply`: checked and encoded once, however many get it.
 * Sends the payload as given; what the schema makes of the payload is for the client.
 * @throws SendallError `INVALID_MESSAGE` with `issues` for a payload that the schema or JSON refuses; `BAD_DATA` if the schema answers with
 * a promise
 */
export type MessageMaker<N extends string, I> = (...payload: PayloadArguments<I>) => Encoded<N>;

/** Makes a handler; see {@link Protocol.handler}. */
export interface ProtocolHandlerMaker<S extends ProtocolSpec> {
  /** @hidden */
  <D>(never: Impossible<D>): ResolvedLast<D>;
  /**
   * Makes a handler.
   * @param functions a function for each name of `fromClient`, and for the events that the handler likes to hear of
   * @param options what happens to invalid messages
   * @throws SendallError `BAD_OPTION` if a name of `fromClient` has no function, for a function of another name, and for wrong options
   */
  <T = undefined, D = ConnectionData, P = Params>(
    functions: ProtocolHandlers<S, T, D, P>,
    options?: ProtocolHandlerOptions,
  ): ShapedHandler<D, P>;
}

/** What a client and a server say to each other; made by {@link protocol}. */
export interface Protocol<S extends ProtocolSpec = ProtocolSpec> {
  /** A maker for each message of the server, by name. */
  readonly fromServer: { readonly [N in keyof FromServer<S> & string]: MessageMaker<N, ServerInput<S, N>> };
  /**
   * A handler with a function for each message and call of the client, and for the events of a route. Messages that do not fit the schema
   * reach no function. What the function of a call returns is the answer, sent after all that the function has sent. With `init` the
   * handler keeps a state.
   * @throws SendallError `BAD_OPTION` if a name of `fromClient` has no function, for a function of another name, and for wrong options
   */
  readonly handler: ProtocolHandlerMaker<S>;
  /** @hidden */
  readonly "~sendall": ProtocolInside<S>;
}

/** For Sendall itself: what the server, clients and the generator of documents need of a protocol. */
export interface ProtocolInside<S extends ProtocolSpec> {
  /** Carries the types; absent at run time. */
  readonly spec?: S;
  readonly definition: Definition;
  /** The typed half of a client or channel. */
  readonly createClient: CreateTypedHalf;
}

/**
 * Says what a client and a server say to each other: each message has a name and a schema of any library that speaks Standard Schema, such
 * as zod, valibot and arktype. `handler` makes a handler for the server, `connect(url, { protocol })` a typed client. Needs nothing of
 * Node: pages import the same file.
 * @param spec see {@link ProtocolSpec}
 * @throws SendallError `BAD_OPTION` for a name that stands for an event, for anything but a schema, and for an unknown option
 *
 * @example
 * ```ts
 * import { serve } from "sendall";
 * import { protocol } from "sendall/protocol";
 * import { z } from "zod";
 *
 * const chat = protocol({
 *   fromClient: { say: z.object({ text: z.string() }), count: { input: z.undefined(), output: z.number() } },
 *   fromServer: { said: z.object({ text: z.string() }) },
 * });
 * const handler = chat.handler({
 *   say: ({ text }, { bus }) => bus.sendall(chat.fromServer.said({ text })),
 *   count: (_nothing, { bus }) => bus.connections().length, // the answer of a call
 * });
 * const server = await serve({ port: 8080, handler });
 * console.log(server.url);
 * ```
 */
export function protocol<const S extends ProtocolSpec>(spec: S, options: ProtocolOptions = {}): Protocol<S> {
  readMembers("", options, ["check"]);
  const { check = "both" } = options;
  const definition = readSpec(spec, check);
  const fromServer: Record<string, unknown> = Object.create(null);
  for (const [name, schema] of definition.fromServer)
    fromServer[name] = (payload: unknown) =>
      encodeMessage(name, definition.checksSent ? schema : undefined, payload, () => {
        throw promised(name);
      });
  return {
    fromServer: Object.freeze(fromServer) as never,
    handler: ((functions: never, given: never) => describeHandler(definition, functions, given)) as never,
    "~sendall": { definition, createClient: (...parts) => createTypedHalf(definition, ...parts) },
  };
}
