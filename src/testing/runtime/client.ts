/** The client end of a connection in the test runtime. What it sends is on its way until the runtime is settled. */
import { checkDuration } from "../../actors/route/checks.js";
import { checkCloseCode, cutReason, NO_CODE } from "../../api/close-codes.js";
import type { ConnectionId, Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import { show } from "../../runtime/show.js";
import { controlPayload, encodeFrame } from "../../transport/frame.js";
import type { MemoryClientEnd } from "../memory-transport/carried.js";
import type { MemoryConnection } from "../memory-transport/memory.js";

/** How a connection ended for its client. */
export interface ClientClose {
  /** The code that it has read, 1005 if there was none, 1006 without a close frame (RFC 6455 section 7.4.1). */
  readonly code: number;
  /** The reason that it has read, `""` if there was none. */
  readonly reason: string;
}

/** A client in a test. */
export interface TestClient {
  /** The id that the server knows it by. */
  readonly id: ConnectionId;
  /** The name that it was given, if any. */
  readonly name: string | undefined;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  /** All messages so far: a string for a text frame, a Buffer for a binary one. */
  readonly received: readonly (string | Buffer)[];
  /** Set once it has read the server's close frame or lost its transport (1006). */
  readonly closed: ClientClose | undefined;
  /** Sends a message. @returns `false` if it has closed @throws SendallError `BAD_DATA` */
  send(data: Data): boolean;
  /** The messages since the last `take` or `next`. */
  take(): (string | Buffer)[];
  /**
   * The next message: settles the runtime, and waits if there is none yet.
   * @throws SendallError `CLOSED` if the connection ends before one comes
   */
  next(): Promise<string | Buffer>;
  /** Sends a ping, of at most 125 bytes. @returns `false` if it has closed @throws SendallError `BAD_DATA` */
  ping(data?: Data): boolean;
  /** Starts the close handshake; without a code the server sees 1005. @throws SendallError `BAD_CLOSE_CODE` */
  close(code?: number, reason?: string): boolean;
  /** Its socket ends without a close frame: the server sees `closed` with 1006, after what it sent before. */
  disconnect(): void;
  /** Its socket fails: the server sees `error`, then `closed` with 1006, after what it sent before. */
  fail(error?: Error): void;
  /**
   * It is gone without a trace, as when a cable is pulled: the server hears nothing of it, and nothing that it sends is taken,
   * until its heartbeat finds out.
   */
  vanish(): void;
  /** Stops reading until `read` or `resume`: the server sees a socket that takes nothing. */
  stall(): void;
  /**
   * Reads so many bytes on the wire (headers included), now or when they come, and then nothing until `read` or `resume`. A message
   * is there when its last byte is.
   * @throws SendallError `BAD_OPTION` unless it is a whole number from 0
   */
  read(bytes: number): void;
  /** Reads on. */
  resume(): void;
  /**
   * From now on each message takes so many milliseconds of virtual time, in each direction; none overtakes another.
   * @throws SendallError `BAD_DURATION`
   */
  delay(ms: number): void;
}

/** Who else is told of what a client reads: the WebSocket that it is the far end of. */
export interface ClientObserver {
  /** It was let in. */
  onOpen(client: MemoryTestClient): void;
  onMessage(data: string | Buffer): void;
  /** Its socket has failed; `onClosed` follows. */
  onFailed(): void;
  onClosed(code: number, reason: string): void;
}

interface Waiter {
  readonly resolve: (message: string | Buffer) => void;
  readonly reject: (error: Error) => void;
}

export interface TestClientParts {
  readonly name?: string | undefined;
  /** Lets everything happen, or, if somebody is in a hurry, only what it takes until `until` says so. */
  readonly settle: (until: () => boolean) => Promise<void>;
  /** Gets the messages, which are not kept then. */
  readonly onMessage?: ((data: string | Buffer) => void) | undefined;
  readonly observer?: ClientObserver;
}

export class MemoryTestClient implements TestClient {
  readonly received: (string | Buffer)[] = [];
  readonly name: string | undefined;
  readonly #parts: TestClientParts;
  readonly #waiters: Waiter[] = [];
  #end: MemoryClientEnd | undefined;
  #id: ConnectionId | undefined;
  #protocol = "";
  #taken = 0;
  #closed: ClientClose | undefined;

  constructor(parts: TestClientParts) {
    this.#parts = parts;
    this.name = parts.name;
  }

  /** Once it was let in. */
  attach({ id, protocol, end }: MemoryConnection): void {
    this.#id = id;
    this.#protocol = protocol;
    this.#end = end;
    this.#parts.observer?.onOpen(this);
  }

  /** Bytes of messages that the server has not read. */
  get unreadBytes(): number {
    return this.#end?.unreadBytes ?? 0;
  }

  /** Nothing is on its way to it. */
  get isCaughtUp(): boolean {
    return this.#end?.isCaughtUp ?? true;
  }

  get protocol(): string {
    return this.#protocol;
  }

  get id(): ConnectionId {
    if (this.#id === undefined) throw new SendallError("CLOSED", "the client was not let in");
    return this.#id;
  }

  get closed(): ClientClose | undefined {
    return this.#closed;
  }

  send(data: Data): boolean {
    return this.#end?.send(encodeFrame(data).data) ?? false;
  }

  take(): (string | Buffer)[] {
    const messages = this.received.slice(this.#taken);
    this.#taken = this.received.length;
    return messages;
  }

  async next(): Promise<string | Buffer> {
    const isOver = (): boolean => this.#taken < this.received.length || this.#closed !== undefined;
    if (!isOver()) await this.#parts.settle(isOver);
    const message = this.received[this.#taken];
    if (message !== undefined) {
      this.#taken++;
      return message;
    }
    if (this.#closed !== undefined) throw this.#noMore(this.#closed);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  ping(data: Data = ""): boolean {
    return this.#end?.ping(controlPayload(data)) ?? false;
  }

  close(code?: number, reason = ""): boolean {
    if (code !== undefined) checkCloseCode(code);
    return this.#end?.close(code ?? NO_CODE, cutReason(reason)) ?? false;
  }

  fail(error: Error = new Error("the client's socket failed")): void {
    this.#parts.observer?.onFailed();
    this.#end?.fail(error);
  }

  disconnect(): void {
    this.#end?.end();
  }

  vanish(): void {
    this.#end?.vanish();
  }

  stall(): void {
    this.#end?.stall();
  }

  read(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new SendallError("BAD_OPTION", `bytes: expected a whole number from 0, got ${show(bytes)}`, {
        option: "bytes",
      });
    this.#end?.read(bytes);
  }

  delay(ms: number): void {
    checkDuration("delay", ms);
    this.#end?.delay(ms);
  }

  resume(): void {
    this.#end?.resume();
  }

  onMessage(data: string | Buffer): void {
    if (this.#parts.onMessage !== undefined) {
      this.#parts.onMessage(data);
      return;
    }
    this.received.push(data);
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      this.#taken++;
      waiter.resolve(data);
    }
    this.#parts.observer?.onMessage(data);
  }

  onClosed(code: number, reason: string): void {
    this.#closed = { code, reason };
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#noMore(this.#closed));
    this.#parts.observer?.onClosed(code, reason);
  }

  #noMore({ code, reason }: ClientClose): SendallError {
    return new SendallError("CLOSED", `no message can come: the connection ended with ${code} ${reason}`.trimEnd());
  }
}
