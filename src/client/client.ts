/**
 * A running client: its machine, its current socket, its channels and the queue of messages that wait for a connection. `connect.ts`
 * makes a client, which ends when the machine reaches `closed`. The user's callbacks run after the machine's transition, so that
 * a callback reads the new `state`.
 */

import { guardObservers } from "../actors/inspection/observers.js";
import { checkClientCloseCode, cutReason, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { Callbacks } from "./callbacks.js";
import { type Channel, type ChannelHost, ClientChannels } from "./channels.js";
import { CurrentSocket } from "./current-socket.js";
import { type ClientActor, type ClientClock, type ClientState, startMachine } from "./machine.js";
import { OpenedPromise } from "./opened-promise.js";
import { type ChannelOptions, type ClientData, checkData } from "./options.js";
import type { ClientSettings } from "./settings.js";
import type { Message, SocketEnd, SocketFactory } from "./socket.js";

/** A client that stays connected. */
export interface Client {
  /**
   * The state of the client: `"connecting"`, `"open"`, `"waiting"` until the client connects again, `"closing"` until the close
   * handshake is over, `"closed"` for good.
   */
  readonly state: ClientState;
  /**
   * Resolves when the client is open for the first time. Rejects if the client closes before: with the `SendallError` that ended the
   * last attempt (`REFUSED`, `CONNECTION_FAILED`), or with `CLOSED` if `close` was called. An unhandled rejection has no effect.
   */
  readonly opened: Promise<void>;
  /** The bytes that wait in the socket to be sent; 0 without a socket. */
  readonly bufferedAmount: number;
  /** The subprotocol that the server chose for the present connection, `""` if none (RFC 6455 section 1.9). */
  readonly protocol: string;
  /**
   * The client's machine, as an XState actor: `subscribe` and `system.inspect` work. An exception in an observer does no harm: `onError`
   * gets the exception once (`CALLBACK_FAILED`).
   */
  readonly actor: ClientActor;
  /**
   * Sends a message, or keeps a copy while there is no connection. Messages leave in the order of the calls, each over one
   * socket and never again: a message that was on its way when the connection was lost is lost.
   * @returns `false` if the offline queue is full or the client is closing or closed
   * @throws SendallError `BAD_DATA` for anything but a string, a `Uint8Array` or an `ArrayBuffer`
   */
  send(data: ClientData): boolean;
  /**
   * Closes the client for good, with the close handshake of RFC 6455 section 7.1.2. Without a connection, waiting messages are not
   * sent. If the peer does not answer within 5 s, the socket is cut.
   * @param code 1000 (the default) or 3000-4999, as in browsers
   * @param reason cut at 123 bytes; default `""`
   * @returns `false` if the client is closing or closed already
   * @throws SendallError `BAD_CLOSE_CODE`
   */
  close(code?: number, reason?: string): boolean;
  /**
   * Opens a channel over this client's socket, to a server that runs `channels({...})`. After a lost connection the channel
   * subscribes again by itself. Messages of channels do not reach the client's own `onMessage`.
   * @param name of 1 to 1,024 characters, without a comma
   * @throws SendallError `BAD_CHANNEL` for a wrong name, or for the name of an open channel; `BAD_OPTION`
   */
  channel(name: string, options?: ChannelOptions): Channel;
}

interface QueuedMessage {
  readonly data: Message;
  readonly owner: Channel | undefined;
}

/** The dependencies of a client. */
export interface ReconnectingClientParts {
  readonly url: string;
  readonly settings: ClientSettings;
  readonly factory: SocketFactory;
  readonly clock: ClientClock;
}

export class ReconnectingClient implements Client {
  readonly actor: ClientActor;
  readonly #settings: ClientSettings;
  readonly #socket: CurrentSocket;
  readonly #callbacks: Callbacks;
  readonly #channels: ClientChannels;
  readonly #opened = new OpenedPromise();
  /** The messages that wait for a connection, oldest first. */
  #queue: QueuedMessage[] = [];
  /** The present connection has brought a message. */
  #hasHeard = false;
  #lastError: Error | undefined;

  constructor({ url, settings, factory, clock }: ReconnectingClientParts) {
    this.#settings = settings;
    this.#callbacks = new Callbacks(settings.onError);
    this.#channels = this.#createChannels(clock);
    this.#socket = new CurrentSocket(url, factory, {
      onOpened: () => this.#onOpened(),
      onMessage: (data) => this.#onMessage(data),
      onFailed: (error) => this.#onFailed(error),
      onClosed: (end) => this.#onClosed(end),
    });
    this.actor = startMachine({ socket: this.#socket, clock, reconnect: settings.reconnect });
    guardObservers(this.actor, (error, what) => this.#callbacks.onThrown(`an observer (actor's ${what})`, error));
  }

  get state(): ClientState {
    return this.actor.getSnapshot().value;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  send(data: ClientData): boolean {
    return this.#send(checkData(data));
  }

  close(code: number = NORMAL.code, reason = ""): boolean {
    checkClientCloseCode(code);
    if (!this.#isAlive) return false;
    this.actor.send({ type: "close", code, reason: cutReason(reason) });
    return true;
  }

  channel(name: string, options: ChannelOptions = {}): Channel {
    return this.#channels.open(name, options);
  }

  get #isAlive(): boolean {
    const { state } = this;
    return state !== "closing" && state !== "closed";
  }

  #createChannels(clock: ClientClock): ClientChannels {
    const client = this;
    const host: ChannelHost = {
      clock,
      get state() {
        return client.state;
      },
      write: (data) => this.#socket.send(data),
      send: (data, owner) => this.#send(data, owner),
      cancel: (owner) => {
        this.#queue = this.#queue.filter((waiting) => waiting.owner !== owner);
      },
    };
    return new ClientChannels(host, (error) => this.#callbacks.reportFailure(error));
  }

  #send(data: Message, owner?: Channel): boolean {
    if (!this.#isAlive) return false;
    // A socket takes no message while its peer is closing; then the message waits for the next socket.
    if (this.state === "open" && this.#queue.length === 0 && this.#socket.send(data)) return true;
    if (this.#queue.length >= this.#settings.offline.maxMessages) return false;
    this.#queue.push({ data, owner });
    return true;
  }

  #flush(): void {
    const waiting = this.#queue;
    const kept = waiting.findIndex(({ data }) => !this.#socket.send(data));
    this.#queue = kept < 0 ? [] : waiting.slice(kept);
  }

  #onOpened(): void {
    this.actor.send({ type: "opened" });
    // A subscriber of the machine may have closed the client already.
    if (this.state !== "open") return;
    this.#hasHeard = false;
    this.#channels.subscribe();
    this.#flush();
    this.#opened.resolve();
    this.#callbacks.run("onOpen", this.#settings.onOpen);
    this.#channels.announce();
  }

  #onMessage(data: string | Uint8Array): void {
    // As in browsers, messages that arrive after `close` are ignored.
    if (this.state !== "open") return;
    if (!this.#hasHeard) this.actor.send({ type: "heard" });
    this.#hasHeard = true;
    if (!this.#channels.onMessage(data)) this.#callbacks.run("onMessage", this.#settings.onMessage, data);
  }

  #onFailed(error: Error): void {
    this.#lastError = error;
    this.#callbacks.report(error);
  }

  #onClosed({ code, reason, wasClean, isFinal }: SocketEnd): void {
    const cause = this.#isAlive ? this.#lastError : undefined;
    this.actor.send({ type: "ended", isFinal });
    const willRetry = this.#isAlive;
    if (!willRetry) {
      this.#queue = [];
      this.#opened.reject(cause ?? new SendallError("CLOSED", "the client was closed before it was open"));
    }
    const closing = { code, reason, wasClean, willRetry };
    this.#channels.onConnectionClosed(closing);
    this.#callbacks.run("onClose", this.#settings.onClose, closing);
  }
}
