/**
 * The clients of `runtime.dial`: clients of `sendall/client` on a test runtime, with the verbs of a test client. `live.ts` makes a
 * {@link Dialled} for each call, and ends each of them with the runtime.
 */
import type { SendallError } from "../../api/errors.js";
import type { Client, ProtocolClient } from "../../client/client.js";
import { connect } from "../../client/connect.js";
import type { ClientClosing } from "../../client/options.js";
import type { Protocol } from "../../protocol/protocol.js";
import type { ProtocolSpec } from "../../protocol/spec.js";
import type { MemoryTestClient, TestClientParts } from "./client.js";
import { type DialOptions, type DialRequest, readDialling } from "./dial-options.js";
import { type CallHost, drive } from "./driven-call.js";
import { Inbox } from "./inbox.js";
import { closedError, noMessage } from "./no-message.js";
import type { SocketClass } from "./socket-classes.js";
import { createTapped, nextOf } from "./typed-inbox.js";
import type { TypedTestClient } from "./typed-test-client.js";

/**
 * A client of `sendall/client` in a test, with some verbs of a test client. `stall`, `resume`, `disconnect`, `fail` and `vanish` act on the
 * present connection, and do nothing while there is none: before the server has let the client in, while the client waits for its next
 * attempt, and after its end. The next connection is healthy again.
 */
export interface DialledClient extends Client, DialledVerbs {
  /**
   * The next message: settles the runtime, unless a message has arrived already. Lets no virtual time pass: a client that waits for its next
   * attempt gets messages only if `advance` is called meanwhile. Calls at the same time get messages in the order of the calls.
   * @throws SendallError `NO_MESSAGE` if nothing is on its way, as for a test client; `CLOSED` if the client ends before a message arrives;
   * `NOT_SETTLED`, and the handler's error, as `settle`
   */
  next(): Promise<string | Buffer>;
}

/**
 * A typed client of `sendall/client` in a test. `call` lets things happen, and virtual time pass, as with a typed test client, and marks
 * `CALL_FAILED` with the handler's error.
 */
export interface TypedDialledClient<S extends ProtocolSpec> extends ProtocolClient<S>, DialledVerbs {
  /** As with a typed test client: the payload of the next message of a name, or without a name the next frame of any kind. */
  readonly next: TypedTestClient<S>["next"];
}

/** The dialled client of a protocol, or without a protocol a plain one. */
export type AnyDialledClient<S extends ProtocolSpec> = [S] extends [never] ? DialledClient : TypedDialledClient<S>;

/** What a dialled client has of a test client. */
export interface DialledVerbs {
  /** The name given to `dial`, if any. */
  readonly name: string | undefined;
  /**
   * Every message so far, over all connections: a string for a text frame, a Buffer for a binary frame. `onMessage` gets each of the
   * messages too. Messages of a channel go to the channel's `onMessage` alone.
   */
  readonly received: readonly (string | Buffer)[];
  /** The messages since the last `take` or `next`. */
  take(): (string | Buffer)[];
  /** Stops reading until `resume`: the server sees a socket that takes nothing. */
  stall(): void;
  /** Reads on. */
  resume(): void;
  /** Ends the socket without a close frame: the server sees `closed` with 1006, after every message sent before. The client connects again. */
  disconnect(): void;
  /** Makes the socket fail: the server sees `error`, then `closed` with 1006, after every message sent before. The client connects again. */
  fail(error?: Error): void;
  /**
   * Pulls the cable: from now on nothing crosses the connection in either direction, what is on its way is lost, and nobody is told. The
   * server finds out by its heartbeat, the client as in production; until then the client is `"open"`.
   */
  vanish(): void;
}

/** What a dialled client needs of its runtime. */
export interface DialHost extends CallHost, Pick<TestClientParts, "clock" | "settleUntil"> {
  /** Makes the class of the client's sockets. `onSocket` gets the far end of each socket, before the server has let the socket in. */
  createClass(request: DialRequest, onSocket: (socket: MemoryTestClient) => void): SocketClass;
  /** The name for traces and error messages if the test has given no name. */
  readonly caller: string;
}

export class Dialled {
  readonly client: DialledClient;
  readonly #host: DialHost;
  readonly #inbox: Inbox;
  /** The far end of the last socket. */
  #socket: MemoryTestClient | undefined;
  #closing: Pick<ClientClosing, "code" | "reason"> | undefined;
  readonly #timers: SocketClass["timers"];
  /** A fault has hit an earlier socket. */
  #wasHit = false;
  #isRuntimeClosing = false;

  /** Throws `BAD_OPTION`. */
  constructor(path: string, options: DialOptions, host: DialHost) {
    const { url, request, connectOptions } = readDialling(path, options);
    this.#host = host;
    this.#inbox = this.#createInbox();
    const { WebSocket, timers } = host.createClass({ caller: host.caller, ...request }, (socket) => {
      this.#wasHit ||= this.#socket?.fault !== undefined;
      this.#socket = socket;
    });
    this.#timers = timers;
    const { onMessage, onClose } = options;
    const protocol = options.protocol as unknown as Protocol | undefined;
    const client = connect(url, {
      ...connectOptions,
      WebSocket,
      ...(protocol && { protocol: this.#tapped(protocol) as never }),
      onMessage: (data) => {
        this.#inbox.push(typeof data === "string" ? data : Buffer.from(data));
        return onMessage?.(data);
      },
      onClose: (closing) => {
        try {
          return onClose?.(closing);
        } finally {
          this.#onClosed(closing);
        }
      },
    });
    this.client = Object.assign(client, this.#verbs(request.name), protocol && this.#typedVerbs(client, protocol));
  }

  get isOver(): boolean {
    return this.client.state === "closed";
  }

  /** A fault has hit the client, which is not back yet, and has a timer that may bring the client back. */
  get isRecovering(): boolean {
    const socket = this.#socket;
    if (socket === undefined || this.isOver || !(this.#wasHit || socket.fault !== undefined)) return false;
    const isBack = this.client.state === "open" && !socket.hasVanished && socket.fault !== "stalled";
    return !isBack && this.#timers.isSet;
  }

  /** Called when the runtime begins to close. From now on the client does not connect again; the server ends the present connection. */
  onRuntimeClosing(): void {
    this.#isRuntimeClosing = true;
    if (this.client.state === "waiting") this.client.close();
  }

  /** Called when the server has ended: nobody answers the client any more. */
  onServerClosed(): void {
    this.client.close();
  }

  get #present(): MemoryTestClient | undefined {
    return this.#socket?.isOpen ? this.#socket : undefined;
  }

  #onClosed(closing: ClientClosing): void {
    this.#closing = closing;
    if (this.#isRuntimeClosing && closing.willRetry) this.client.close();
  }

  /** The protocol, with an ear for what comes. The client refuses anything but a protocol. */
  #tapped(protocol: Protocol): object {
    const isProtocol = typeof Object(protocol["~sendall"]).createClient === "function";
    if (!isProtocol) return protocol;
    return { "~sendall": { createClient: createTapped(protocol, this.#inbox, (text) => this.#inbox.push(text)) } };
  }

  #typedVerbs(client: object, protocol: Protocol): object {
    const { call } = client as { call(...given: unknown[]): Promise<unknown> };
    return {
      call: (...given: unknown[]) => drive(call(...given), this.#host),
      next: (...name: unknown[]) => nextOf(protocol, this.#inbox, name),
    };
  }

  #verbs(name: string | undefined): Omit<DialledClient, keyof Client> {
    const inbox = this.#inbox;
    return {
      name,
      received: inbox.received,
      take: () => inbox.take(),
      next: () => inbox.next(),
      stall: () => this.#present?.stall(),
      resume: () => this.#present?.resume(),
      disconnect: () => this.#present?.disconnect(),
      fail: (error) => this.#present?.fail(error),
      vanish: () => this.#present?.vanish(),
    };
  }

  #createInbox(): Inbox {
    const dialled = this;
    return new Inbox({
      get isOver() {
        return dialled.isOver;
      },
      noMessage: (awaited) =>
        this.isOver && this.#closing !== undefined ? closedError(this.#closing) : this.#noMessage(awaited),
      settleUntil: this.#host.settleUntil,
    });
  }

  #noMessage(awaited: string | undefined): SendallError {
    const { name, state } = this.client;
    const socket = this.#present;
    const whereabouts = socket?.id ?? state;
    return noMessage({
      client: name === undefined ? `the dialled client (${whereabouts})` : `${name} (${whereabouts})`,
      awaited,
      received: this.#inbox.received,
      clock: this.#host.clock,
      hasVanished: socket?.hasVanished ?? false,
      isObserved: false,
      isHeldUp: socket !== undefined && (!socket.isCaughtUp || socket.unreadBytes > 0),
    });
  }
}
