"use client";
/**
 * The hook for messages. The state is React's own: every batch is an action of `useReducer`, so that React may render, throw away and
 * render again, and components show the same messages in each commit.
 */
import { useEffect, useMemo, useReducer } from "react";
import type { Client, ProtocolClient, ProtocolSpec, TypedEvents } from "../client.js";
import { check } from "./check.js";
import { createInbox, type Received, type Source } from "./inbox.js";
import { CONNECTING } from "./shared-client.js";
import { useCommit } from "./use-commit.js";

/** A client, with the state that the client's messages have made. */
interface Held<S> {
  readonly client: object;
  readonly state: S;
}

interface Batch {
  readonly from: object;
  readonly messages: readonly Received[];
}

type Reducer<S, P> = (state: S, payload: P) => S;

/** Reducers by the name of a message. @typeParam E the payloads */
export type MessageReducers<S, E> = {
  readonly [N in keyof E]?: ((state: S, payload: E[N]) => S) | undefined;
};

/**
 * A state made of a client's messages: `reducer` is called with the state and each message, in order. Messages of channels do not count.
 *
 * The messages of an animation frame make a single rendering. Without frames the time is 16 ms; in a hidden page, which has no frames, 100 ms
 * or whenever the browser lets timers ring, at the latest after 10,000 messages.
 *
 * The component hears every message from its mount on. No message is missed if the client belongs to the same component, or to a parent that
 * is mounted at the same time; a component that is mounted later does not hear what came earlier.
 *
 * For a client of a protocol there is a reducer for each name of interest: of a message of the server, or of an event as for `client.on`. The
 * order of the messages is kept over the names, and names without a reducer are ignored. A function hears binary frames alone then.
 *
 * Reducers are those of the latest rendering, and run while React renders: as every reducer of React, the function returns a new state and
 * changes nothing, since React may call the function twice. Exceptions reach the error boundary.
 *
 * @param client of `useClient`, or of `connect`; another client starts anew from `initial`
 * @param reducer returns the next state; text frames are strings, binary frames bytes. With a protocol: such functions by name
 * @param initial the state before the first message
 * @throws SendallError `BAD_OPTION` for a wrong client or reducer, and, when the component is mounted, for a name that the client does not know
 *
 * @example
 * ```tsx
 * import { useClient, useMessages } from "sendall/react";
 *
 * export function Log() {
 *   const lines = useMessages<string[]>(useClient("/chat"), (before, line) => [...before, String(line)], []);
 *   return <ul>{lines.map((line, i) => <li key={i}>{line}</li>)}</ul>;
 * }
 * ```
 */
export function useMessages<S>(client: Client, reducer: (state: S, message: string | Uint8Array) => S, initial: S): S;
export function useMessages<P extends ProtocolSpec, S>(
  client: ProtocolClient<P>,
  reducer: (state: S, message: Uint8Array) => S,
  initial: S,
): S;
export function useMessages<P extends ProtocolSpec, S>(
  client: ProtocolClient<P>,
  reducers: MessageReducers<S, { readonly [N in keyof TypedEvents<P>]: TypedEvents<P>[N] }>,
  initial: S,
): S;
export function useMessages<S>(client: Pick<Client, "status">, given: unknown, initial: S): S {
  check("client", Object(client).on, "function", "a client of useClient or connect");
  const reducers = readReducers<S>(given);
  const names = [...reducers.keys()];
  const [held, dispatch] = useReducer(
    (last: Held<S>, { from, messages }: Batch): Held<S> => {
      // After a change of client the former client's last messages come.
      if (from !== client) return last;
      // The names may have changed since the message has come.
      const add = (state: S, [name, payload]: Received): S => (reducers.get(name) ?? keep)(state, payload);
      return { client, state: messages.reduce(add, last.client === client ? last.state : initial) };
    },
    { client, state: initial },
  );
  // React renders again at once, and shows nothing of the present rendering.
  if (held.client !== client) dispatch({ from: client, messages: [] });
  const inbox = useMemo(
    () => createInbox(client as unknown as Source, (messages) => dispatch({ from: client, messages })),
    [client],
  );
  // Before the effects of other components, for a client that is open.
  useCommit(() => {
    if (client.status !== CONNECTING) inbox.listen(names);
  });
  useEffect(() => inbox.stop, [inbox]);
  useEffect(() => inbox.listen(names));
  return held.state;
}

/** The reducers by name: a protocol may call a message `constructor`. */
function readReducers<S>(given: unknown): Map<string, Reducer<S, never>> {
  if (typeof given === "function") return new Map([["message", given as Reducer<S, never>]]);
  check("reducer", given, "object", "a function, or an object of functions by name");
  const reducers = Object.entries(given as object).filter(([, reducer]) => reducer !== undefined);
  for (const [name, reducer] of reducers) check(`reducer.${name}`, reducer, "function", "a function");
  return new Map(reducers);
}

function keep<S>(state: S): S {
  return state;
}
