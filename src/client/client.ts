/**
 * A running client: its machine, its current socket, its channels and the messages that wait for a connection. `connect.ts` makes a
 * client, which ends when the machine reaches `closed`. The user's callbacks run after the machine's step, so that a callback reads the
 * new `state`; listeners of the status run after the callbacks.
 */

import { checkClientCloseCode, cutReason, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { type ClientClock, checkData, sizeOf, toMessage } from "./arguments.js";
import { Callbacks, type ClientEvents } from "./callbacks.js";
import { type Channel, ClientChannels } from "./channels.js";
import { type ClientState, type Machine, type MachineEvent, START, type Step, step } from "./machine.js";
import { OfflineQueue } from "./offline-queue.js";
import { OpenedPromise } from "./opened-promise.js";
import type { ChannelOptions, ClientData, ClientOpening, ClientStatus } from "./options.js";
import { watchPage } from "./page.js";
import type { ClientSettings } from "./settings.js";
import { CurrentSocket, type Message, type SocketEnd, type SocketFactory } from "./socket.js";
import { soon } from "./soon.js";
import type { Welcome } from "./wire.js";

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
  /** The state, with the time of the next attempt: an object that stays the same until something changes. */
  readonly status: ClientStatus;
  /** The number of messages that wait for a connection. */
  readonly pending: number;
  /**
   * Calls a listener with the {@link status} at each change, from the next change on.
   * @returns removes the listener
   * @throws SendallError `BAD_OPTION` for anything but a function
   */
  subscribe(listener: (status: ClientStatus) => unknown): () => void;
  /**
   * Calls a listener with each event of a type: `"open"`, `"message"`, `"close"` or `"error"`, as `onOpen`, `onMessage`, `onClose` and
   * `onError` of the options, which come first. Messages of channels are not among the messages.
   * @returns removes the listener
   * @throws SendallError `BAD_OPTION` for another type, or a listener that is no function
   */
  on<T extends keyof ClientEvents>(type: T, listener: (argument: ClientEvents[T]) => unknown): () => void;
  /**
   * Sends a message, or keeps a copy while there is no connection. Messages leave in the order of the calls, apart from what `onOpen`
   * sends before it returns, which goes first; each leaves over one socket and never again: a message that was on its way when the
   * connection was lost is lost.
   * @returns `false` if the message is beyond `offline.maxMessages` or `offline.maxBytes`, or the client is closing or closed
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

/** The dependencies of a client. */
export interface ReconnectingClientParts {
  /** `""` if the address is asked for at each attempt. */
  readonly url: string;
  readonly settings: ClientSettings;
  readonly factory: SocketFactory;
  readonly clock: ClientClock;
}

/** An alarm that is set: when it is due, and the id of its timer. */
interface Alarm {
  readonly dueAt: number;
  readonly id: unknown;
}

const PLAIN: Omit<Welcome, "heartbeatMs"> = { resumed: false, why: "plain", replayed: 0, lost: 0 };

export class ReconnectingClient implements Client {
  readonly #settings: ClientSettings;
  readonly #clock: ClientClock;
  readonly #socket: CurrentSocket;
  readonly #callbacks: Callbacks;
  readonly #channels: ClientChannels;
  readonly #opened = new OpenedPromise();
  readonly #queue: OfflineQueue;
  readonly #stopWatching: () => void;
  #machine: Machine = START[0];
  #phaseAlarm: Alarm | undefined;
  #silenceAlarm: Alarm | undefined;
  #status: ClientStatus = { state: "connecting", retryAt: undefined, resumed: false };
  /** How the present connection began, or the last. */
  #opening: ClientOpening = { ...PLAIN, uncertain: [] };
  /** The callbacks for `open` are running: what they send goes to the socket before the messages that wait. */
  #isGreeting = false;
  /** The present connection has brought a message. */
  #hasMessage = false;
  #heardAt = 0;
  #lastError: Error | undefined;

  constructor({ url, settings, factory, clock }: ReconnectingClientParts) {
    this.#settings = settings;
    this.#clock = clock;
    this.#queue = new OfflineQueue(settings.offline);
    this.#callbacks = new Callbacks(settings);
    this.#channels = this.#createChannels();
    const listener = {
      onUpgraded: () => this.#step({ type: "upgraded" }),
      onOpened: (welcome?: Welcome) => this.#onOpened(welcome),
      onHeard: () => this.#onHeard(),
      onPinged: () => this.#step({ type: "pinged", at: this.#now() }),
      onMessage: (data: string | Uint8Array) => this.#onMessage(data),
      onFailed: (error: Error) => this.#onFailed(error),
      onClosed: (end: SocketEnd) => this.#onClosed(end),
    };
    this.#socket = new CurrentSocket(url, factory, listener, settings.session);
    this.#stopWatching = watchPage({
      onBack: () => this.#step({ type: "hint" }),
      onLeft: () => this.close(),
    });
    this.#take(START);
  }

  get state(): ClientState {
    return this.#machine.state;
  }

  get status(): ClientStatus {
    return this.#status;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get pending(): number {
    return this.#queue.length;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  subscribe(listener: (status: ClientStatus) => unknown): () => void {
    return this.#callbacks.add("status", listener);
  }

  on<T extends keyof ClientEvents>(type: T, listener: (argument: ClientEvents[T]) => unknown): () => void {
    return this.#callbacks.add(type, listener);
  }

  send(data: ClientData): boolean {
    const own = checkData(data);
    return this.#send(toMessage(own), own);
  }

  close(code: number = NORMAL.code, reason = ""): boolean {
    checkClientCloseCode(code);
    if (!this.#isAlive) return false;
    this.#step({ type: "close" }, code, cutReason(reason));
    return true;
  }

  channel(name: string, options: ChannelOptions = {}): Channel {
    return this.#channels.open(name, options);
  }

  get #isAlive(): boolean {
    return this.state !== "closing" && this.state !== "closed";
  }

  #now(): number {
    return this.#clock.now?.() ?? Date.now();
  }

  #createChannels(): ClientChannels {
    const client = this;
    return new ClientChannels(
      {
        clock: this.#clock,
        get state() {
          return client.state;
        },
        get opening() {
          return client.#opening;
        },
        write: (message) => this.#socket.send(message),
        send: (message, data, owner) => this.#send(message, data, owner),
        cancel: (owner) => this.#queue.take(owner),
      },
      (error) => this.#callbacks.report(error),
    );
  }

  /** @param code for the close frame, if the event is `close` */
  #step(event: MachineEvent, code?: number, reason?: string): void {
    this.#take(step(this.#machine, event, this.#settings.reconnect), code, reason);
  }

  #take([machine, { act, phaseMs, silenceMs }]: Step, code: number = NORMAL.code, reason = ""): void {
    const { state } = machine;
    this.#machine = machine;
    if (phaseMs !== undefined || state === "closed")
      this.#phaseAlarm = this.#setAlarm(this.#phaseAlarm, phaseMs, () => this.#step({ type: "phase" }));
    if (silenceMs !== undefined || state !== "open")
      this.#silenceAlarm = this.#setAlarm(this.#silenceAlarm, silenceMs, (lateMs) =>
        this.#step({ type: "silence", lateMs, silentMs: this.#now() - this.#heardAt }),
      );
    if (state !== this.#status.state) this.#show(state);
    if (act) this.#socket[act](code, reason);
  }

  /** Listeners of the status hear of the last change in a row, after the callbacks. */
  #show(state: ClientState): void {
    const retryAt = state === "waiting" ? this.#phaseAlarm?.dueAt : undefined;
    const status = Object.freeze({ state, retryAt, resumed: state === "open" && this.#opening.resumed });
    this.#status = status;
    soon(() => {
      if (status === this.#status) this.#callbacks.emit("status", status);
    });
  }

  /** Replaces an alarm. Without a time, there is no alarm any more. */
  #setAlarm(last: Alarm | undefined, ms: number | undefined, ring: (lateMs: number) => void): Alarm | undefined {
    if (last !== undefined) this.#clock.clearTimeout(last.id);
    if (ms === undefined) return undefined;
    const dueAt = this.#now() + ms;
    return { dueAt, id: this.#clock.setTimeout(() => ring(this.#now() - dueAt), ms) };
  }

  #send(message: Message, data: ClientData, owner?: Channel): boolean {
    if (!this.#isAlive) return false;
    // A socket takes no message while its peer is closing; then the message waits for the next socket.
    const isNext = this.#isGreeting || this.#queue.length === 0;
    if (isNext && this.#socket.send(message)) return true;
    return this.#queue.push({ message, data, owner, bytes: sizeOf(message) });
  }

  #onOpened({ resumed, why, replayed, lost, heartbeatMs }: Welcome = { ...PLAIN, heartbeatMs: 0 }): void {
    this.#opening = { resumed, why, replayed, lost, uncertain: [] };
    this.#hasMessage = false;
    this.#step({ type: "opened", limitMs: heartbeatMs });
    this.#opened.resolve();
    this.#isGreeting = true;
    this.#channels.subscribe();
    this.#callbacks.emit("open", this.#opening);
    this.#channels.announce();
    this.#isGreeting = false;
    // A callback may have closed the client.
    if (this.state === "open") this.#queue.flush((message) => this.#socket.send(message));
  }

  #onHeard(): void {
    this.#heardAt = this.#now();
    if (this.#machine.waits > 0) this.#step({ type: "heard" });
  }

  #onMessage(data: string | Uint8Array): void {
    // As in browsers, messages that arrive after `close` are ignored.
    if (this.state !== "open") return;
    if (!this.#hasMessage) this.#step({ type: "message" });
    this.#hasMessage = true;
    if (!this.#channels.onMessage(data)) this.#callbacks.emit("message", data);
  }

  #onFailed(error: Error): void {
    this.#lastError = error;
    this.#callbacks.emit("error", error);
  }

  #onClosed({ code, reason, wasClean, isFinal }: SocketEnd): void {
    const cause = this.#isAlive ? this.#lastError : undefined;
    this.#step({ type: "ended", isFinal, random: this.#clock.random() });
    const willRetry = this.#isAlive;
    const ending = { code, reason, wasClean, willRetry, uncertain: [] };
    this.#channels.onConnectionClosed(ending);
    if (!willRetry) {
      this.#stopWatching();
      this.#opened.reject(cause ?? new SendallError("CLOSED", "the client was closed before it was open"));
    }
    this.#callbacks.emit("close", { ...ending, unsent: willRetry ? [] : this.#queue.take(undefined) });
  }
}
