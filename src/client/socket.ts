/**
 * The socket of a client, from dialling to its end, for any class in the shape of a browser's `WebSocket`. The differences between the
 * classes of browsers, `ws`, Node and the test runtime end here. `current-socket.ts` makes a {@link ClientSocket} for each attempt.
 */
import { ABNORMAL, isFinalCode, isFinalStatus, protocolErrorCode } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";
import { messageOf } from "../runtime/thrown.js";

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

/** A message as handed to a socket. Bytes are a copy, which the client alone has. */
export type Message = string | ArrayBuffer;

/** A class of {@link WebSocketLike} sockets. */
export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike;

/** The HTTP response to a refused upgrade. */
interface Refusal {
  readonly status: number;
  readonly body: string;
}

/** Members that some classes have in addition to a browser's `WebSocket`. */
interface SocketExtensions {
  readonly refusal?: Refusal | undefined;
  terminate?(): void;
}

/** How a socket ended. `isFinal` means that another socket would end in the same way. */
export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly isFinal: boolean;
}

/** Listens to a socket. `onClosed` is called exactly once, as the last call. No call comes before the method that caused it has returned. */
export interface SocketListener {
  onOpened(): void;
  onMessage(data: string | Uint8Array): void;
  onFailed(error: Error): void;
  onClosed(end: SocketEnd): void;
}

/** Finds the function that makes a socket; a promise while the socket's class is being loaded. */
export type SocketFactory = () => (() => WebSocketLike) | Promise<() => WebSocketLike>;

const CONNECTING = 0;
const OPEN = 1;
/** The end of an attempt that never connected, or of a connection that ended without a close frame. */
export const LOST_CONNECTION: SocketEnd = { code: ABNORMAL, reason: "", wasClean: false, isFinal: false };

export class ClientSocket {
  readonly #url: string;
  readonly #listener: SocketListener;
  #socket: (WebSocketLike & SocketExtensions) | undefined;
  #wasOpen = false;
  /** The client has closed the socket; a failure to open is no error any more. */
  #isClosing = false;
  #isClosed = false;

  constructor(url: string, listener: SocketListener) {
    this.#url = url;
    this.#listener = listener;
  }

  start(factory: SocketFactory): void {
    const create = factory();
    if (typeof create === "function") this.#create(create);
    else
      create.then(
        (loaded) => this.#create(loaded),
        (error) => this.#onCannotStart(error),
      );
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get protocol(): string {
    return this.#wasOpen ? (this.#socket?.protocol ?? "") : "";
  }

  /** Hands a message to the socket. @returns `false` if the socket is not open */
  send(data: Message): boolean {
    if (this.#isClosed || this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(data);
    return true;
  }

  close(code: number, reason: string): void {
    this.#isClosing = true;
    if (this.#socket === undefined) this.#reportClosed(LOST_CONNECTION);
    // No close frame can carry a code before the socket is open.
    else if (this.#socket.readyState === CONNECTING) this.#socket.close();
    else this.#socket.close(code, reason);
  }

  terminate(): void {
    const socket = this.#socket;
    const error = this.#isClosing ? undefined : this.#failure("it did not answer in time");
    this.#reportClosed(LOST_CONNECTION, error);
    if (socket?.terminate !== undefined) socket.terminate();
    else socket?.close();
  }

  #create(create: () => WebSocketLike): void {
    if (this.#isClosed) return;
    try {
      const socket = create();
      socket.binaryType = "arraybuffer";
      socket.addEventListener("open", () => this.#onOpen());
      socket.addEventListener("message", (event) => this.#onMessage(event));
      // Never removed: an error of a `ws` socket without a listener would end the process.
      socket.addEventListener("error", (event) => this.#onError(event));
      socket.addEventListener("close", (event) => this.#onClose(event));
      this.#socket = socket;
    } catch (error) {
      this.#onCannotStart(error);
    }
  }

  /** The runtime has no class, or the class refuses the address or the protocols; another attempt would fail in the same way. */
  #onCannotStart(cause: unknown): void {
    const problem = messageOf(cause);
    this.#reportClosed({ ...LOST_CONNECTION, isFinal: true }, this.#failure(problem, cause));
  }

  #onOpen(): void {
    if (this.#isClosed || this.#isClosing) return;
    this.#wasOpen = true;
    this.#listener.onOpened();
  }

  #onMessage({ data }: WebSocketLikeEvent): void {
    if (this.#isClosed) return;
    const message = typeof data === "string" ? data : bytesOf(data);
    if (message !== undefined) this.#listener.onMessage(message);
    else this.#listener.onFailed(this.#failure(`a message came as ${show(data)}, not as an ArrayBuffer`));
  }

  #onError({ error, message }: WebSocketLikeEvent): void {
    // While closing, report only a broken frame: the client wanted the connection to end.
    const isBroken = error instanceof Error && protocolErrorCode(error) !== undefined;
    if (this.#isClosed || (this.#isClosing && !isBroken)) return;
    const refusal = this.#socket?.refusal;
    this.#listener.onFailed(
      refusal === undefined ? this.#failure(problemOf(error, message), error) : this.#refusal(refusal),
    );
  }

  #onClose({ code = ABNORMAL, reason = "", wasClean = false }: WebSocketLikeEvent): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const status = this.#socket?.refusal?.status;
    const isFinal = status === undefined ? isFinalCode(code) : isFinalStatus(status);
    this.#listener.onClosed({ code, reason, wasClean, isFinal });
  }

  #refusal({ status, body }: Refusal): SendallError {
    // The body may be a page; a Sendall server gives the reason in the first line.
    const [line = ""] = body.split("\n", 1);
    const text = `${this.#url} refused the connection: HTTP ${status} ${line}`.trimEnd();
    return new SendallError("REFUSED", text, { status, body });
  }

  #failure(problem: string, cause?: unknown): SendallError {
    const what = this.#wasOpen ? `the connection to ${this.#url} broke` : `cannot connect to ${this.#url}`;
    return new SendallError("CONNECTION_FAILED", `${what}: ${problem}`, { cause });
  }

  /** Reports an end without a `close` event of the socket, after the present call has returned. */
  #reportClosed(end: SocketEnd, error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    queueMicrotask(() => {
      if (error !== undefined) this.#listener.onFailed(error);
      this.#listener.onClosed(end);
    });
  }
}

/** A readable text for an error of a socket. Browsers give no cause. */
export function problemOf(error: unknown, message = ""): string {
  const text = error instanceof Error ? error.message : message;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // An AggregateError (one error for each address of a host) has no message.
  const parts: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  const problems = new Set(parts.map((part) => problemOf(part)));
  if (text === "" && problems.size > 0) return [...problems].join("; ");
  // An error of zlib (RFC 7692), whose text is about tables and distances.
  if (code.startsWith("Z_")) return `a compressed message cannot be read: ${text}`;
  return text || message || code || "no cause is known";
}

/** Does not use `instanceof`, which fails for a buffer of another realm. */
function bytesOf(data: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return isArrayBuffer(data) ? new Uint8Array(data) : undefined;
}

function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === "[object ArrayBuffer]";
}
