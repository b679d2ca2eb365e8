/**
 * The channels of a client: many named conversations over the client's socket, the client's side of `channels({...})`. Each client has
 * a {@link ClientChannels} for its lifetime, and passes every message of the socket to it; `multiplex.ts` has the message format. A
 * channel ends by `close`, by the server, or with its client.
 */

import { ABNORMAL, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { MAX_NAME_LENGTH } from "../api/names.js";
import { show } from "../runtime/show.js";
import { Callbacks } from "./callbacks.js";
import type { ClientClock, ClientState } from "./machine.js";
import { isMarkerAnswer, isRefusal, readMultiplexed, writeMessage } from "./multiplex.js";
import { OpenedPromise } from "./opened-promise.js";
import { type ChannelOptions, type ClientClosing, type ClientData, checkData } from "./options.js";
import { readChannelOptions } from "./settings.js";
import type { Message } from "./socket.js";
import { SyncMarkers } from "./sync-markers.js";

/** A named conversation over a client's socket. */
export interface Channel {
  /** The name of the channel, the same on both sides. */
  readonly name: string;
  /** The client's state, or `"closed"` after the end of the channel. */
  readonly state: ClientState;
  /**
   * Resolves when the channel is open for the first time; rejects with a `SendallError` `CLOSED` if the channel ends before. An
   * unhandled rejection has no effect.
   */
  readonly opened: Promise<void>;
  /**
   * Sends a message, or keeps the message while there is no connection, in the client's queue.
   * @returns `false` if the queue is full or the channel has ended
   * @throws SendallError `BAD_DATA` for anything but a string, a `Uint8Array` or an `ArrayBuffer`
   */
  send(data: ClientData): boolean;
  /** Ends the channel, not the client; the channel's waiting messages are not sent. @returns `false` if the channel has ended already */
  close(): boolean;
}

/** The part of a client that the client's channels use. */
export interface ChannelHost {
  readonly state: ClientState;
  readonly clock: ClientClock;
  /** Hands a message to the socket at once. @returns `false` if no open socket takes the message */
  write(data: string): boolean;
  /** Hands a message to the socket, or keeps the message for the channel until a socket is open. */
  send(data: Message, owner: Channel): boolean;
  /** Discards the messages kept for the channel. */
  cancel(owner: Channel): void;
}

const ENDED: ClientClosing = { ...NORMAL, wasClean: true, willRetry: false };

class ClientChannel implements Channel {
  readonly name: string;
  readonly #host: ChannelHost;
  readonly #options: ChannelOptions;
  readonly #callbacks: Callbacks;
  readonly #opened = new OpenedPromise();
  readonly #onUnregistered: (isServerTold: boolean) => void;
  /** Whether `sub` went out over the present connection, or over the last. */
  #isSubscribed = false;
  #isAnnounced = false;
  #isClosed = false;

  constructor(
    name: string,
    options: ChannelOptions,
    parts: { host: ChannelHost; fallback: (error: Error) => void; onUnregistered: (isServerTold: boolean) => void },
  ) {
    this.name = name;
    this.#options = options;
    this.#host = parts.host;
    this.#onUnregistered = parts.onUnregistered;
    this.#callbacks = new Callbacks(options.onError, parts.fallback);
  }

  get state(): ClientState {
    return this.#isClosed ? "closed" : this.#host.state;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  send(data: ClientData): boolean {
    const message = writeMessage(this.name, checkData(data));
    return !this.#isClosed && this.#host.send(message, this);
  }

  close(): boolean {
    if (this.#isClosed) return false;
    this.#unregister(this.#host.write(`uns,${this.name}`));
    queueMicrotask(() => this.#callbacks.run("onClose", this.#options.onClose, ENDED));
    return true;
  }

  subscribe(): void {
    if (!this.#isClosed) this.#isSubscribed = this.#host.write(`sub,${this.name}`);
  }

  /** Calls `onOpen` once for each subscription. */
  announce(): void {
    if (!this.#isSubscribed || this.#isAnnounced || this.state !== "open") return;
    this.#isAnnounced = true;
    this.#opened.resolve();
    this.#callbacks.run("onOpen", this.#options.onOpen);
  }

  onMessage(payload: string | Uint8Array): void {
    // `onOpen` must come before the first message, which may follow the subscription at once.
    this.announce();
    if (!this.#isClosed) this.#callbacks.run("onMessage", this.#options.onMessage, payload);
  }

  onRefused(reason: string): void {
    const error = new SendallError("REFUSED", `the channel ${show(this.name)} was refused: ${reason}`, {
      body: reason,
    });
    this.#callbacks.report(error);
    this.onClosed({ code: ABNORMAL, reason, wasClean: false, willRetry: false });
  }

  /** Called when the server has ended the channel, or when the client's connection has ended. */
  onClosed(closing: ClientClosing): void {
    if (this.#isClosed) return;
    this.#isAnnounced = false;
    if (!closing.willRetry) this.#unregister(false);
    this.#callbacks.run("onClose", this.#options.onClose, closing);
  }

  /** @param isServerTold whether `uns` was sent to the server */
  #unregister(isServerTold: boolean): void {
    this.#isClosed = true;
    this.#host.cancel(this);
    this.#opened.reject(new SendallError("CLOSED", `the channel ${show(this.name)} ended before it was open`));
    this.#onUnregistered(isServerTold);
  }
}

/** Checks the name by the rules of the server: without a comma, and of at most {@link MAX_NAME_LENGTH} characters. */
function checkName(name: unknown): asserts name is string {
  const isName = typeof name === "string" && name !== "" && !name.includes(",");
  if (isName && name.length <= MAX_NAME_LENGTH) return;
  const got = isName ? `one of ${name.length}` : show(name);
  throw new SendallError(
    "BAD_CHANNEL",
    `channel: expected a name of 1 to ${MAX_NAME_LENGTH} characters without a comma, got ${got}`,
  );
}

export class ClientChannels {
  readonly #host: ChannelHost;
  readonly #fallback: (error: Error) => void;
  readonly #open = new Map<string, ClientChannel>();
  /** The names of channels closed over the present connection. Messages still on their way for such a channel are ignored. */
  readonly #closed = new Set<string>();
  readonly #markers: SyncMarkers<ClientChannel>;

  constructor(host: ChannelHost, fallback: (error: Error) => void) {
    this.#host = host;
    this.#fallback = fallback;
    this.#markers = new SyncMarkers(host.clock, (name) => host.write(`uns,${name}`));
  }

  open(name: string, options: ChannelOptions): Channel {
    checkName(name);
    if (this.#open.has(name)) throw new SendallError("BAD_CHANNEL", `the channel ${show(name)} is open already`);
    const channel = new ClientChannel(name, readChannelOptions(options), {
      host: this.#host,
      fallback: this.#fallback,
      onUnregistered: (isServerTold) => {
        this.#open.delete(name);
        this.#closed.add(name);
        if (isServerTold) this.#markers.onUnsubscribed(name);
      },
    });
    this.#open.set(name, channel);
    const { state } = this.#host;
    if (state === "open") {
      this.#markers.sendBefore(channel);
      channel.subscribe();
    }
    // No callback before `open` returns: the caller does not have the channel yet.
    if (state === "closing" || state === "closed") queueMicrotask(() => channel.onClosed(OVER));
    else queueMicrotask(() => channel.announce());
    return channel;
  }

  /** Called for a new connection: every channel subscribes, in the order of creation, before the first message is sent. */
  subscribe(): void {
    this.#closed.clear();
    this.#markers.clear();
    for (const channel of this.#open.values()) channel.subscribe();
  }

  announce(): void {
    for (const channel of [...this.#open.values()]) channel.announce();
  }

  /** Called when the connection has ended. */
  onConnectionClosed(closing: ClientClosing): void {
    this.#markers.clear();
    for (const channel of [...this.#open.values()]) channel.onClosed(closing);
  }

  /** @returns whether the message was for a channel */
  onMessage(data: string | Uint8Array): boolean {
    if (this.#open.size + this.#closed.size === 0) return false;
    const message = readMultiplexed(data);
    if (message === undefined) return false;
    if (message.verb === "err" && isMarkerAnswer(message) && this.#markers.onAnswered()) return true;
    const channel = this.#open.get(message.name);
    if (channel === undefined) return this.#closed.has(message.name);
    if (message.verb === "msg") channel.onMessage(message.payload);
    else if (message.verb === "uns") this.#markers.onClosedByServer(channel, () => channel.onClosed(ENDED));
    else if (isRefusal(message.text)) this.#markers.onClosedByServer(channel, () => channel.onRefused(message.text));
    return true;
  }
}

/** The end of a channel that was opened on a closed client. */
const OVER: ClientClosing = { code: ABNORMAL, reason: "", wasClean: false, willRetry: false };
