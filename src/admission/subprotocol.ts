/** Subprotocol negotiation (RFC 6455 section 1.9): which protocols a request offers, and which of them the server chooses. */
import type { AdmissionHeaders } from "./request-head.js";

/** The names in the `Sec-WebSocket-Protocol` header, in the peer's order. */
export function offeredProtocols(headers: Pick<AdmissionHeaders, "sec-websocket-protocol">): string[] {
  return headers["sec-websocket-protocol"]?.split(",").map((text) => text.trim()) ?? [];
}

/** The first of the server's protocols that the peer also offers (RFC 6455 section 4.2.2); `""` if there is none. */
export function chooseProtocol(supported: readonly string[], headers: AdmissionHeaders): string {
  if (supported.length === 0) return "";
  const offered = offeredProtocols(headers);
  return supported.find((protocol) => offered.includes(protocol)) ?? "";
}
