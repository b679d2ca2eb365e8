/**
 * A client of the test runtime. What a client sends is on its way until the runtime is settled; a client ends when its connection
 * does. `live.ts` makes a client for each call of `connect` and for each socket of `runtime.WebSocket`.
 */
import { checkDuration } from "../../actors/route/checks.js";
import { checkCloseCode, cutReason, NO_CODE } from "../../api/close-codes.js";
import type { ConnectionId, Data } from "../../api/connection.js";
import { SendallError } from "../../api/errors.js";
import { show } from "../../runtime/show.js";
import { controlPayload, encodeFrame } from "../../transport/frame.js";
import type { ClientEnd } from "../memory-transport/contracts.js";
import type { MemoryConnection } from "../memory-transport/memory-listener.js";
import type { HandClock } from "./clock.js";
import { Inbox } from "./inbox.js";
import { closedError, noMessage } from "./no-message.js";

/** How a connection ended for its client. */
export interface ClientClose {
  /** The code that the client has read, 1005 for a close frame without a code, 1006 without a close frame (RFC 6455 section 7.4.1). */
  readonly code: number;
  /** The reason that the client has read, `""` if there was none. */
  readonly reason: string;
}

/** A client in a test. */
export interface TestClient {
  /** The connection's id at the server. */
  readonly id: ConnectionId;
  /** The name given to `connect`, if any. */
  readonly name: string | undefined;
  /** The chosen subprotocol, `""` if none. */
  readonly protocol: string;
  /** Every message so far: a string for a text frame, a Buffer for a binary frame. */
  readonly received: readonly (string | Buffer)[];
  /** Set once the client has read the server's close frame or lost its transport (1006), of which it learns nothing after `vanish`. */
  readonly closed: ClientClose | undefined;
  /** Sends a message. @returns `false` if the client has closed @throws SendallError `BAD_DATA` */
  send(data: Data): boolean;
  /** The messages since the last `take` or `next`. */
  take(): (string | Buffer)[];
  /**
   * The next message: settles the runtime, unless a message has arrived already. Lets no virtual time pass: a message that takes virtual time
   * comes if `advance` is called meanwhile. Calls at the same time get messages in the order of the calls.
   * @throws SendallError `NO_MESSAGE` if nothing is on its way: the runtime is settled, and no other call of the runtime (such as `advance` or
   * `connect`) is under way; `CLOSED` if the connection ends before a message arrives; `NOT_SETTLED`, and the handler's error, as `settle`
   */
  next(): Promise<string | Buffer>;
  /** Sends a ping, of at most 125 bytes. @returns `false` if the client has closed @throws SendallError `BAD_DATA` */
  ping(data?: Data): boolean;
  /**
   * Starts the close handshake; without a code the server sees 1005. Once the client has vanished, nobody would answer: the client is
   * closed at once, with 1006, and the server learns nothing.
   * @returns `false` if the client has closed
   * @throws SendallError `BAD_CLOSE_CODE`
   */
  close(code?: number, reason?: string): boolean;
  /** Ends the socket without a close frame: the server sees `closed` with 1006, after every message sent before. */
  disconnect(): void;
  /** Makes the socket fail: the server sees `error`, then `closed` with 1006, after every message sent before. */
  fail(error?: Error): void;
  /**
   * Pulls the cable: from now on nothing crosses the connection in either direction, what is on its way is lost, and nobody is told. The
   * server finds out by its heartbeat. The client stays open, and `closed` unset, until the client's own side decides: by `close`,
   * `disconnect` or `fail`, or by the end of the runtime.
   */
  vanish(): void;
  /** Stops reading until `read` or `resume`: the server sees a socket that takes nothing. */
  stall(): void;
  /**
   * Reads at most `bytes` bytes on the wire (headers included), now or when more arrive, and then nothing until `read` or `resume`. A
   * message arrives with its last byte.
   * @throws SendallError `BAD_OPTION` unless `bytes` is a whole number from 0
   */
  read(bytes: number): void;
  /** Reads on. */
  resume(): void;
  /**
   * From now on each message takes `ms` milliseconds of virtual time, in each direction; no message overtakes another.
   * @throws SendallError `BAD_DURATION`
   */
  delay(ms: number): void;
}

/** Told what a client reads: a socket of `runtime.WebSocket`, whose far end the client is, or the typed half of the client. */
export interface ClientObserver {
  /** The server's answer has come: the client was let in. */
  onOpen(client: MemoryTestClient): void;
  onMessage(data: string | Buffer): void;
  /** The client's socket has failed; `onClosed` follows. */
  onFailed(): void;
  onClosed(code: number, reason: string): void;
}

export interface TestClientParts {
  readonly name?: string | undefined;
  readonly clock: Pick<HandClock, "now" | "nextDue">;
  /** Settles the runtime; an explored runtime stops as soon as `until` holds. If `until` does not hold, nothing is on its way. */
  readonly settleUntil: (until: () => boolean) => Promise<void>;
  /** Gets each message, in place of `received`. */
  readonly onMessage?: ((data: string | Buffer) => void) | undefined;
  readonly observer?: ClientObserver;
}

export class MemoryTestClient implements TestClient {
  readonly name: string | undefined;
  readonly #parts: TestClientParts;
  readonly inbox: Inbox;
  // Of the parts, at hand for each message.
  readonly #onMessage: TestClientParts["onMessage"];
  readonly #observer: ClientObserver | undefined;
  #end: ClientEnd | undefined;
  #id: ConnectionId | undefined;
  #protocol = "";
  #closed: ClientClose | undefined;

  constructor(parts: TestClientParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#onMessage = parts.onMessage;
    this.#observer = parts.observer;
    this.inbox = this.#createInbox();
  }

  /** Called when the client's request is on its way. */
  dial(end: ClientEnd): void {
    this.#end = end;
  }

  /** Called when the server has let the client in. */
  attach({ id, protocol, end }: MemoryConnection): void {
    this.#id = id;
    this.#protocol = protocol;
    this.#end = end;
  }

  /** Gets each message, if nobody else does. */
  get soleListener(): TestClientParts["onMessage"] {
    return this.#observer === undefined ? this.#onMessage : undefined;
  }

  /** Bytes of messages that the server has not read. */
  get unreadBytes(): number {
    return this.#end?.unreadBytes ?? 0;
  }

  /** Nothing is on its way to the client. */
  get isCaughtUp(): boolean {
    return this.#end?.isCaughtUp ?? true;
  }

  /** The client was let in, and has not ended. */
  get isOpen(): boolean {
    return this.#id !== undefined && this.#closed === undefined;
  }

  get received(): readonly (string | Buffer)[] {
    return this.inbox.received;
  }

  get hasVanished(): boolean {
    return this.#end?.hasVanished ?? false;
  }

  /** What a fault of an explored run has done to the client's socket. */
  get fault(): ClientEnd["fault"] {
    return this.#end?.fault;
  }

  get protocol(): string {
    return this.#protocol;
  }

  get id(): ConnectionId {
    if (this.#id === undefined) throw new SendallError("CLOSED", "the client was not let in");
    return this.#id;
  }

  /** For error messages. */
  get shownName(): string {
    return this.name === undefined ? this.id : `${this.name} (${this.id})`;
  }

  get closed(): ClientClose | undefined {
    return this.#closed;
  }

  send(data: Data): boolean {
    return this.#end?.send(encodeFrame(data).data) ?? false;
  }

  take(): (string | Buffer)[] {
    return this.inbox.take();
  }

  next(): Promise<string | Buffer> {
    return this.inbox.next();
  }

  ping(data: Data = ""): boolean {
    return this.#end?.ping(controlPayload(data)) ?? false;
  }

  close(code?: number, reason?: string): boolean {
    const isFirst = this.startClosing(code, reason);
    if (this.hasVanished) this.disconnect();
    return isFirst;
  }

  /** Starts the close handshake, and waits for the answer also if none can come. */
  startClosing(code?: number, reason = ""): boolean {
    if (code !== undefined) checkCloseCode(code);
    return this.#end?.close(code ?? NO_CODE, cutReason(reason)) ?? false;
  }

  fail(error: Error = new Error("the client's socket failed")): void {
    this.#observer?.onFailed();
    this.#end?.fail(error);
  }

  disconnect(): void {
    this.#end?.disconnect();
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

  onOpen(): void {
    this.#observer?.onOpen(this);
  }

  onMessage(data: string | Buffer): void {
    const onMessage = this.#onMessage;
    if (onMessage === undefined) this.inbox.push(data);
    else onMessage(data);
    this.#observer?.onMessage(data);
  }

  onClosed(code: number, reason: string): void {
    this.#closed = { code, reason };
    this.#observer?.onClosed(code, reason);
  }

  #createInbox(): Inbox {
    const client = this;
    const { settleUntil } = this.#parts;
    return new Inbox({
      get isOver() {
        return client.closed !== undefined;
      },
      noMessage: (awaited) => this.#noMessage(awaited),
      settleUntil: this.#onMessage === undefined ? settleUntil : undefined,
    });
  }

  #noMessage(awaited: string | undefined): SendallError {
    if (this.#closed !== undefined) return closedError(this.#closed);
    const { clock } = this.#parts;
    return noMessage({
      client: this.shownName,
      awaited,
      received: this.received,
      clock,
      hasVanished: this.hasVanished,
      isObserved: this.#onMessage !== undefined,
      isHeldUp: !this.isCaughtUp || this.unreadBytes > 0,
    });
  }
}
