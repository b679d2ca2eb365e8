/**
 * The socket of `sendall connect`: the client's socket class with the headers and the trust of the command line, and with pings, which
 * `sendall/client` does not have because pages cannot send any. The command makes a dialer for each run; the client dials once.
 */
import { DialedSocket, type DialTrust } from "../client/node-socket.js";
import type { WebSocketClass } from "../client/web-socket.js";
import { readProperty } from "../runtime/thrown.js";

export interface DialSettings {
  readonly headers: Readonly<Record<string, string>>;
  readonly trust: DialTrust;
}

export class Dialer {
  readonly socketClass: WebSocketClass;
  readonly #onPong: (roundTripMs: number) => void;
  #socket: DialedSocket | undefined;
  /** When each ping was sent, by its payload. */
  readonly #sentAt = new Map<string, number>();
  #pings = 0;

  constructor({ headers, trust }: DialSettings, onPong: (roundTripMs: number) => void) {
    this.#onPong = onPong;
    const onDialed = (socket: DialedSocket): void => {
      this.#socket = socket;
      socket.on("pong", (payload) => this.#readPong(payload.toString()));
    };
    this.socketClass = class extends DialedSocket {
      constructor(url: string, protocols: readonly string[] = []) {
        super(url, protocols, headers, false, trust);
        onDialed(this);
      }
    };
  }

  /** Does nothing unless the socket is open. */
  ping(): void {
    if (this.#socket?.readyState !== DialedSocket.OPEN) return;
    const payload = String(++this.#pings);
    this.#sentAt.set(payload, performance.now());
    this.#socket.ping(payload);
  }

  /** A pong without a ping of ours says nothing. A pong may answer several pings, the last by its payload (RFC 6455 section 5.5.3). */
  #readPong(payload: string): void {
    const sentAt = this.#sentAt.get(payload);
    if (sentAt === undefined) return;
    for (const known of this.#sentAt.keys()) {
      this.#sentAt.delete(known);
      if (known === payload) break;
    }
    this.#onPong(performance.now() - sentAt);
  }
}

/** What OpenSSL and Node say about a certificate that is not trusted. */
const UNTRUSTED = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_)/;

/** What to do about a certificate that is not trusted; `""` after any other error. */
export function certificateHint(cause: unknown): string {
  const code = typeof cause === "object" && cause !== null ? readProperty(cause, "code") : undefined;
  if (typeof code !== "string" || !UNTRUSTED.test(code)) return "";
  return " (--ca <file> names an authority to trust, --insecure accepts any certificate)";
}
