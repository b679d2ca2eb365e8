/**
 * `sendall/react`: hooks for React 18 and later around `sendall/client`.
 *
 * @module sendall/react
 */

export { type UseClientOptions, useClient, useClientState } from "./react/use-client.js";
export { type MessageReducers, useMessages } from "./react/use-messages.js";
