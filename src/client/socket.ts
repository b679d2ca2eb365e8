/**
 * A browser's kind of socket, and what a client does with one: all that differs between the classes of browsers, of `ws`, of
 * Node and of the test runtime ends here. One {@link Attempt} is one socket; `line.ts` makes them one after the other.
 */
import { ABNORMAL, isFinalCode, isFinalStatus, protocolErrorCode } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { show } from "../runtime/show.js";
import { messageOf } from "../runtime/thrown.js";

/** What a socket tells in its events; each event has some of it. */
export interface WebSocketLikeEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly code?: number;
  readonly reason?: string;
  readonly wasClean?: boolean;
  readonly message?: string;
  readonly error?: unknown;
}

/** What a client needs of a socket: a part of the WHATWG's `WebSocket`. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  send(data: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "message" | "error" | "close", listener: (event: WebSocketLikeEvent) => void): void;
}

/** What a socket is given for a message: bytes are a copy that nobody else has. */
export type Message = string | ArrayBuffer;

/** A class of such sockets. */
export type WebSocketClass = new (url: string, protocols?: string[]) => WebSocketLike;

/** The answer of HTTP that stood for the upgrade. */
interface Refusal {
  readonly status: number;
  readonly body: string;
}

/** What some classes can tell or do beyond a browser's. */
interface Extras {
  readonly refusal?: Refusal | undefined;
  terminate?(): void;
}

/** How a socket ended; `isFinal` if another one would end in the same way. */
export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly isFinal: boolean;
}

/** Who hears of a socket. `ended` comes exactly once and last; nothing comes before the call that caused it has returned. */
export interface SocketListener {
  opened(): void;
  message(data: string | Uint8Array): void;
  failed(error: Error): void;
  ended(end: SocketEnd): void;
}

/** Makes a socket; a promise while its class is being loaded. */
export type SocketFactory = () => (() => WebSocketLike) | Promise<() => WebSocketLike>;

const CONNECTING = 0;
const OPEN = 1;
/** The end of what never was a connection, or of one that said nothing. */
export const LOST: SocketEnd = { code: ABNORMAL, reason: "", wasClean: false, isFinal: false };

/** One socket, from dialling to its end. */
export class Attempt {
  readonly #url: string;
  readonly #listener: SocketListener;
  #socket: (WebSocketLike & Extras) | undefined;
  #wasOpen = false;
  /** Nobody wants it any more: that it fails to open is no error. */
  #isUnwanted = false;
  #isOver = false;

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
        (error) => this.#cannotStart(error),
      );
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get protocol(): string {
    return this.#wasOpen ? (this.#socket?.protocol ?? "") : "";
  }

  /** Hands a message over; `false` if the socket takes none. */
  send(data: Message): boolean {
    if (this.#isOver || this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(data);
    return true;
  }

  close(code: number, reason: string): void {
    this.#isUnwanted = true;
    if (this.#socket === undefined) this.#end(LOST);
    // Before it is open there is no close frame that could carry a code.
    else if (this.#socket.readyState === CONNECTING) this.#socket.close();
    else this.#socket.close(code, reason);
  }

  drop(): void {
    const socket = this.#socket;
    const error = this.#isUnwanted ? undefined : this.#failure("it did not answer in time");
    this.#end(LOST, error);
    if (socket?.terminate !== undefined) socket.terminate();
    else socket?.close();
  }

  #create(create: () => WebSocketLike): void {
    if (this.#isOver) return;
    try {
      const socket = create();
      socket.binaryType = "arraybuffer";
      socket.addEventListener("open", () => this.#onOpen());
      socket.addEventListener("message", (event) => this.#onMessage(event));
      // Stays for good: a socket of `ws` without a listener for its errors would end the process.
      socket.addEventListener("error", (event) => this.#onError(event));
      socket.addEventListener("close", (event) => this.#onClose(event));
      this.#socket = socket;
    } catch (error) {
      this.#cannotStart(error);
    }
  }

  /** There is no class, or it does not take this address or these protocols: it never will. */
  #cannotStart(cause: unknown): void {
    const problem = messageOf(cause);
    this.#end({ ...LOST, isFinal: true }, this.#failure(problem, cause));
  }

  #onOpen(): void {
    if (this.#isOver || this.#isUnwanted) return;
    this.#wasOpen = true;
    this.#listener.opened();
  }

  #onMessage({ data }: WebSocketLikeEvent): void {
    if (this.#isOver) return;
    const message = typeof data === "string" ? data : bytesOf(data);
    if (message !== undefined) this.#listener.message(message);
    else this.#listener.failed(this.#failure(`a message came as ${show(data)}, not as an ArrayBuffer`));
  }

  #onError({ error, message }: WebSocketLikeEvent): void {
    // While it closes only a broken frame is worth telling: that the peer hangs up is what was wanted.
    const isBroken = error instanceof Error && protocolErrorCode(error) !== undefined;
    if (this.#isOver || (this.#isUnwanted && !isBroken)) return;
    const refusal = this.#socket?.refusal;
    this.#listener.failed(
      refusal === undefined ? this.#failure(problemOf(error, message), error) : this.#refusal(refusal),
    );
  }

  #onClose({ code = ABNORMAL, reason = "", wasClean = false }: WebSocketLikeEvent): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const status = this.#socket?.refusal?.status;
    const isFinal = status === undefined ? isFinalCode(code) : isFinalStatus(status);
    this.#listener.ended({ code, reason, wasClean, isFinal });
  }

  #refusal({ status, body }: Refusal): SendallError {
    // The body may be a page; a server of ours says it in one line.
    const [line = ""] = body.split("\n", 1);
    const text = `${this.#url} refused the connection: HTTP ${status} ${line}`.trimEnd();
    return new SendallError("REFUSED", text, { status, body });
  }

  #failure(problem: string, cause?: unknown): SendallError {
    const what = this.#wasOpen ? `the connection to ${this.#url} broke` : `cannot connect to ${this.#url}`;
    return new SendallError("CONNECTION_FAILED", `${what}: ${problem}`, { cause });
  }

  /** Ends it without its socket saying so: whoever called hears of it when the call has returned. */
  #end(end: SocketEnd, error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    queueMicrotask(() => {
      if (error !== undefined) this.#listener.failed(error);
      this.#listener.ended(end);
    });
  }
}

/** What an error of a socket says, for people. Browsers tell nothing. */
export function problemOf(error: unknown, message = ""): string {
  const text = error instanceof Error ? error.message : message;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // Each address of a host has an error of its own, and all of them together have no words.
  const parts: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  const problems = new Set(parts.map((part) => problemOf(part)));
  if (text === "" && problems.size > 0) return [...problems].join("; ");
  // Of zlib (RFC 7692), whose words are about tables and distances.
  if (code.startsWith("Z_")) return `a compressed message cannot be read: ${text}`;
  return text || message || code || "no cause is known";
}

/** Not by `instanceof`, which fails for a buffer of another realm. */
function bytesOf(data: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return isArrayBuffer(data) ? new Uint8Array(data) : undefined;
}

function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return Object.prototype.toString.call(value) === "[object ArrayBuffer]";
}
