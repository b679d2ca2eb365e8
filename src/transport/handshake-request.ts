/** The request of an opening handshake, as far as `websocket.ts` hands the request to `ws`. `http/upgrade.ts` makes one for each upgrade. */
import type { Socket } from "node:net";

export interface HandshakeRequest {
  readonly method: "GET";
  /** By lower-case name, of the request's headers those that `ws` reads. */
  readonly headers: Record<string, string>;
  readonly socket: Socket;
}
