"use client";
/**
 * The hook for messages. The state is React's own: every batch is an action of `useReducer`, so that React may render, throw away and
 * render again, and components show the same messages in each commit.
 */
import { useEffect, useMemo, useReducer } from "react";
import type { Client } from "../client.js";
import { check } from "./check.js";
import { createInbox, type Received } from "./inbox.js";
import { CONNECTING } from "./shared-client.js";
import { useCommit } from "./use-commit.js";

/** A client, with the state that the client's messages have made. */
interface Held<S> {
  readonly client: Client;
  readonly state: S;
}

interface Batch {
  readonly from: Client;
  readonly messages: readonly Received[];
}

/**
 * A state made of a client's messages: `reducer` is called with the state and each message, in order. Messages of channels do not count.
 *
 * The messages of an animation frame make a single rendering. Without frames the time is 16 ms; in a hidden page, which has no frames, 100 ms
 * or whenever the browser lets timers ring, at the latest after 10,000 messages.
 *
 * The component hears every message from its mount on. No message is missed if the client belongs to the same component, or to a parent that
 * is mounted at the same time; a component that is mounted later does not hear what came earlier.
 *
 * The reducer is that of the latest rendering, and runs while React renders: as every reducer of React, the function returns a new state and
 * changes nothing, since React may call the function twice. Exceptions reach the error boundary.
 *
 * @param client of `useClient`, or of `connect`; another client starts anew from `initial`
 * @param reducer returns the next state; text frames are strings, binary frames bytes
 * @param initial the state before the first message
 * @throws SendallError `BAD_OPTION` for a wrong client or reducer
 */
export function useMessages<S>(client: Client, reducer: (state: S, message: string | Uint8Array) => S, initial: S): S {
  check("client", client?.on, "function", "a client of useClient or connect");
  check("reducer", reducer, "function", "a function");
  const [held, dispatch] = useReducer(
    (last: Held<S>, { from, messages }: Batch): Held<S> => {
      // After a change of client the former client's last messages come.
      if (from !== client) return last;
      const add = (state: S, message: Received): S => reducer(state, message);
      return { client, state: messages.reduce(add, last.client === client ? last.state : initial) };
    },
    { client, state: initial },
  );
  // React renders again at once, and shows nothing of the present rendering.
  if (held.client !== client) dispatch({ from: client, messages: [] });
  const listen = useMemo(() => createInbox(client, (messages) => dispatch({ from: client, messages })), [client]);
  // Before the effects of other components, for a client that is open.
  useCommit(() => {
    if (client.status !== CONNECTING) listen();
  });
  useEffect(listen, [listen]);
  return held.state;
}
