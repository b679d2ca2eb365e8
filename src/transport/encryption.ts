/** Tells sockets under TLS from plain ones. */
import type { Duplex } from "node:stream";

/** By the property that Node documents for the purpose: on Bun the sockets of an HTTPS server are no `TLSSocket`. */
export function isEncrypted(socket: Duplex | undefined): boolean {
  return socket !== undefined && "encrypted" in socket && socket.encrypted === true;
}
