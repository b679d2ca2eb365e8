/**
 * A running client. It holds the machine that decides, the line that carries and the queue of what waits for a connection, and
 * tells the user. The user's callbacks run when the machine has taken its step, so that `state` is always that of now.
 */

import { guardObservers } from "../actors/inspection/observers.js";
import { checkClientCloseCode, cutReason, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { Callbacks } from "./callbacks.js";
import { type Channel, type ChannelHost, Channels } from "./channels.js";
import { Line } from "./line.js";
import { type ClientActor, type ClientClock, type ClientState, startClient } from "./machine.js";
import { Opening } from "./opening.js";
import { type ChannelOptions, type ClientData, checkData } from "./options.js";
import type { ClientSettings } from "./settings.js";
import type { Message, SocketEnd, SocketFactory } from "./socket.js";

/** A client that stays connected. */
export interface Client {
  /**
   * What it is doing: `"connecting"`, `"open"`, `"waiting"` until it connects again, `"closing"` until the close handshake is
   * over, `"closed"` for good.
   */
  readonly state: ClientState;
  /**
   * Resolves when the client is open for the first time. Rejects if it closes before: with the `SendallError` that ended the
   * last attempt (`REFUSED`, `CONNECTION_FAILED`), or `CLOSED` if `close` was called. It may be left alone.
   */
  readonly opened: Promise<void>;
  /** Bytes that the socket has been given and has not sent yet; 0 without a socket. */
  readonly bufferedAmount: number;
  /** The subprotocol that the server chose for the present connection, `""` if none (RFC 6455 section 1.9). */
  readonly protocol: string;
  /**
   * The machine behind it, as an XState actor: `subscribe` and `system.inspect` work. An observer that throws harms nobody: `onError`
   * is told of it once (`CALLBACK_FAILED`).
   */
  readonly actor: ClientActor;
  /**
   * Sends a message, or keeps a copy while there is no connection. Messages leave in the order of the calls, each over one
   * socket and never again: what was on its way when a connection was lost is lost.
   * @returns `false` if the offline queue is full or the client is closing or closed
   * @throws SendallError `BAD_DATA` for anything but a string, a `Uint8Array` or an `ArrayBuffer`
   */
  send(data: ClientData): boolean;
  /**
   * Closes it for good, with the close handshake of RFC 6455 section 7.1.2; without a connection what waits is not sent. A
   * peer that does not answer within 5 s is given up.
   * @param code 1000 (the default) or 3000-4999, as in browsers
   * @param reason cut at 123 bytes; default `""`
   * @returns `false` if that has been asked for already, or the client is closed
   * @throws SendallError `BAD_CLOSE_CODE`
   */
  close(code?: number, reason?: string): boolean;
  /**
   * Opens a channel over this client's socket, to a server that runs `channels({...})`. After a lost connection it subscribes
   * again by itself. Messages of channels do not reach the client's own `onMessage`.
   * @param name of 1 to 1,024 characters, without a comma
   * @throws SendallError `BAD_CHANNEL` for a wrong name, or one that is open; `BAD_OPTION`
   */
  channel(name: string, options?: ChannelOptions): Channel;
}

interface Waiting {
  readonly data: Message;
  readonly owner: Channel | undefined;
}

/** What a client is made of. */
export interface LiveClientParts {
  readonly url: string;
  readonly settings: ClientSettings;
  readonly factory: SocketFactory;
  readonly clock: ClientClock;
}

export class LiveClient implements Client {
  readonly actor: ClientActor;
  readonly #settings: ClientSettings;
  readonly #line: Line;
  readonly #callbacks: Callbacks;
  readonly #channels: Channels;
  readonly #opening = new Opening();
  /** What waits for a connection, oldest first. */
  #queue: Waiting[] = [];
  /** The present connection has brought a message. */
  #hasHeard = false;
  #lastError: Error | undefined;

  constructor({ url, settings, factory, clock }: LiveClientParts) {
    this.#settings = settings;
    this.#callbacks = new Callbacks(settings.onError);
    this.#channels = this.#createChannels(clock);
    this.#line = new Line(url, factory, {
      opened: () => this.#onOpened(),
      message: (data) => this.#onMessage(data),
      failed: (error) => this.#onFailed(error),
      ended: (end) => this.#onEnded(end),
    });
    this.actor = startClient({ line: this.#line, clock, reconnect: settings.reconnect });
    guardObservers(this.actor, (error, what) => this.#callbacks.failed(`an observer (actor's ${what})`, error));
  }

  get state(): ClientState {
    return this.actor.getSnapshot().value;
  }

  get opened(): Promise<void> {
    return this.#opening.promise;
  }

  get bufferedAmount(): number {
    return this.#line.bufferedAmount;
  }

  get protocol(): string {
    return this.#line.protocol;
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

  #createChannels(clock: ClientClock): Channels {
    const client = this;
    const host: ChannelHost = {
      clock,
      get state() {
        return client.state;
      },
      write: (data) => this.#line.send(data),
      post: (data, owner) => this.#send(data, owner),
      forget: (owner) => {
        this.#queue = this.#queue.filter((waiting) => waiting.owner !== owner);
      },
    };
    return new Channels(host, (error) => this.#callbacks.tellFailure(error));
  }

  #send(data: Message, owner?: Channel): boolean {
    if (!this.#isAlive) return false;
    // A socket whose peer is closing takes nothing: then it waits for the next one.
    if (this.state === "open" && this.#queue.length === 0 && this.#line.send(data)) return true;
    if (this.#queue.length >= this.#settings.offline.maxMessages) return false;
    this.#queue.push({ data, owner });
    return true;
  }

  #flush(): void {
    const waiting = this.#queue;
    const kept = waiting.findIndex(({ data }) => !this.#line.send(data));
    this.#queue = kept < 0 ? [] : waiting.slice(kept);
  }

  #onOpened(): void {
    this.actor.send({ type: "opened" });
    // Somebody who subscribes to the machine may have closed it already.
    if (this.state !== "open") return;
    this.#hasHeard = false;
    this.#channels.subscribe();
    this.#flush();
    this.#opening.opened();
    this.#callbacks.run("onOpen", this.#settings.onOpen);
    this.#channels.announce();
  }

  #onMessage(data: string | Uint8Array): void {
    // As in browsers: what still arrives after `close` is for nobody.
    if (this.state !== "open") return;
    if (!this.#hasHeard) this.actor.send({ type: "heard" });
    this.#hasHeard = true;
    if (!this.#channels.take(data)) this.#callbacks.run("onMessage", this.#settings.onMessage, data);
  }

  #onFailed(error: Error): void {
    this.#lastError = error;
    this.#callbacks.tell(error);
  }

  #onEnded({ code, reason, wasClean, isFinal }: SocketEnd): void {
    const cause = this.#isAlive ? this.#lastError : undefined;
    this.actor.send({ type: "ended", isFinal });
    const willRetry = this.#isAlive;
    if (!willRetry) {
      this.#queue = [];
      this.#opening.failed(cause ?? new SendallError("CLOSED", "the client was closed before it was open"));
    }
    const closing = { code, reason, wasClean, willRetry };
    this.#channels.end(closing);
    this.#callbacks.run("onClose", this.#settings.onClose, closing);
  }
}
