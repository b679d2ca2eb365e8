/** A test client's request for a connection, and the request head for the server's gate. Made for each client, and not kept. */
import { type Head, joinHeaders } from "../../admission/request-head.js";

export const LOOPBACK = "127.0.0.1";

export interface ClientRequest {
  /** Who asks, for traces and error messages, if the client has no name. */
  readonly caller?: string | undefined;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocols: readonly string[];
  readonly remoteAddress: string;
  readonly secure?: boolean;
}

export function toHead({ url, headers, protocols, remoteAddress, secure = false }: ClientRequest): Head {
  const offer = protocols.length === 0 ? {} : { "sec-websocket-protocol": protocols.join(", ") };
  return {
    url,
    headers: joinHeaders(Object.entries({ ...offer, ...headers }).flat()),
    version: 13,
    remoteAddress,
    remotePort: 0,
    localAddress: LOOPBACK,
    secure,
  };
}
