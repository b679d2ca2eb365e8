"use client";
/** The hooks around a client: the client itself and its status. */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { AnyClient, AnyConnectOptions, Client, ClientAddress, ClientStatus, ProtocolSpec } from "../client.js";
import { check } from "./check.js";
import { CONNECTING, shareClient } from "./shared-client.js";
import { useCommit } from "./use-commit.js";
import type { Use } from "./uses.js";

let count = 0;

/** The options of `useClient`: those of `connect`, with or without a protocol, and a key. */
export interface UseClientOptions<S extends ProtocolSpec = never> extends AnyConnectOptions<S> {
  /**
   * Tells clients of the same address apart: components share a client if address and key are the same. A function as address needs a key,
   * and any other function with the key counts as the same. Default: none, components with the same address share a client.
   */
  readonly key?: string;
}

/**
 * A client for a component. Components with the same address (the string that was given) and the same `key` share a client and the client's
 * socket, and get the same object.
 *
 * The socket is made when the first component has been mounted, never while React renders, and closed with 1000 a second after the last
 * component has gone. So StrictMode opens a single socket, a change of page keeps the socket, and a rendering that React throws away opens
 * no socket.
 *
 * Components that share a client may give different options. Each option is taken from the first of the mounted components that gives the
 * option, parents before children. Callbacks, and a function given as address, are those of the latest rendering at the time of the call,
 * also in the second after the last component has gone; everything else is read when the socket is made. What each component wants to hear
 * is for `client.on`, in `useEffect`.
 *
 * With a `protocol` the client is typed, for every component that shares the client: each component gives the same object. The
 * listeners in `on` are callbacks, each name an option of its own: for each name the first of the mounted components that gives a listener
 * is told. A component that is mounted later, or renders again, may add names.
 *
 * On a server nothing is opened. While no component is mounted, the client is `"connecting"`, `send` and `close` return `false`, `on` and
 * `subscribe` have no effect, `opened` never resolves, `call` rejects with `CLOSED`, and `channel` throws `CLOSED`: the client is for `useEffect` and event handlers.
 *
 * A client that was closed, or that the server has refused for good, stays closed for the present components; another `key` is another
 * client. A component that is mounted after the last of the present components has gone opens a new socket.
 *
 * @param url as for `connect`
 * @param options as for `connect`, and `key`
 * @throws SendallError `BAD_OPTION` for a wrong key, or a function as address without a key; for another protocol than that of the mounted
 * components, and for a protocol where these have made a client without, when the component is mounted; and whatever `connect` refuses, when the
 * component is mounted: an error boundary catches each
 *
 * @example
 * ```tsx
 * import { useClient } from "sendall/react";
 *
 * export function Greeting() {
 *   const client = useClient("/chat");
 *   return <button onClick={() => client.send("hello")}>Say hello</button>;
 * }
 * ```
 */
export function useClient<S extends ProtocolSpec = never>(
  url: ClientAddress | (() => ClientAddress | Promise<ClientAddress>),
  options: UseClientOptions<S> = {},
): AnyClient<S> {
  check("options", options, "object", "an object");
  const { key, ...own } = options;
  const isFunction = typeof url === "function";
  if (isFunction || key !== undefined) check("key", key, "string", "a string, which a function as url needs");
  const id = JSON.stringify([isFunction || url, key]);
  const shared = shareClient(id);
  const number = useMemo(() => count++, []);
  useCommit(() => shared.join(number, { ...own, url } as Use));
  // An effect of its own: `open` may throw.
  useEffect(() => () => shared.leave(number), [shared, number]);
  useEffect(() => shared.open(number), [shared, number]);
  return shared.client as AnyClient<S>;
}

/**
 * The status of a client, `client.status`; the component renders again at each change. On a server, and while React hydrates the page of a
 * server, the client is `"connecting"`.
 *
 * @param client of `useClient`, or of `connect`
 * @throws SendallError `BAD_OPTION` for anything else
 *
 * @example
 * ```tsx
 * import { useClient, useClientState } from "sendall/react";
 *
 * export function Light() {
 *   const { state, retryAt } = useClientState(useClient("/chat"));
 *   return <p>{retryAt === undefined ? state : `next attempt at ${new Date(retryAt).toLocaleTimeString()}`}</p>;
 * }
 * ```
 */
export function useClientState(client: Pick<Client, "status" | "subscribe">): ClientStatus {
  check("client", client?.subscribe, "function", "a client of useClient or connect");
  const subscribe = useMemo(() => (onChanged: () => void) => client.subscribe(onChanged), [client]);
  // Each client has a first status of its own: without the constant, a component would render twice when mounted.
  const readStatus = (): ClientStatus => (client.status.state === "connecting" ? CONNECTING : client.status);
  return useSyncExternalStore(subscribe, readStatus, () => CONNECTING);
}
