/** The shape of the socket classes that a client can use: the part of the WHATWG's "WebSockets" standard that a client needs. */

/** An event of a socket; each type of event has some of the properties. */
export interface WebSocketLikeEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
  readonly wasClean?: boolean;
  readonly message?: string;
  readonly error?: unknown;
}

/** The part of the WHATWG's `WebSocket` that a client needs. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  send(data: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "message" | "error" | "close", listener: (event: WebSocketLikeEvent) => void): void;
}

/** A class of {@link WebSocketLike} sockets. */
export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike;
