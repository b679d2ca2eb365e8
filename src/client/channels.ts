/**
 * The channels of a client: many named conversations over its one socket, the client's side of `channels({...})`. The client owns
 * one {@link Channels} and shows it what comes in; the words of the wire are in `wire.ts`.
 */

import { ABNORMAL, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { MAX_NAME_LENGTH } from "../api/names.js";
import { show } from "../runtime/show.js";
import { Callbacks } from "./callbacks.js";
import { Fences } from "./fences.js";
import type { ClientClock, ClientState } from "./machine.js";
import { Opening } from "./opening.js";
import { type ChannelOptions, type ClientClosing, type ClientData, checkData } from "./options.js";
import { readChannelOptions } from "./settings.js";
import type { Message } from "./socket.js";
import { isFenceAnswer, isRefusal, readMultiplexed, writeMessage } from "./wire.js";

/** One named conversation over a client's socket. */
export interface Channel {
  /** The name that both sides know it by. */
  readonly name: string;
  /** The client's state, and `"closed"` once this channel has ended. */
  readonly state: ClientState;
  /**
   * Resolves when the channel is open for the first time; rejects with a `SendallError` `CLOSED` if it ends before. It may be
   * left alone.
   */
  readonly opened: Promise<void>;
  /**
   * Sends a message, or keeps it while there is no connection, in one queue with the client's.
   * @returns `false` if that queue is full or the channel has ended
   * @throws SendallError `BAD_DATA` for anything but a string, a `Uint8Array` or an `ArrayBuffer`
   */
  send(data: ClientData): boolean;
  /** Ends the channel, not the client; what still waits in it is not sent. @returns `false` if it has ended before */
  close(): boolean;
}

/** What channels need of their client. */
export interface ChannelHost {
  readonly state: ClientState;
  readonly clock: ClientClock;
  /** Hands it to the socket at once; `false` if that takes none. */
  write(data: string): boolean;
  /** Hands it to the socket, or keeps it for the channel until there is one. */
  post(data: Message, owner: Channel): boolean;
  /** Forgets what was kept for the channel. */
  forget(owner: Channel): void;
}

const ENDED: ClientClosing = { ...NORMAL, wasClean: true, willRetry: false };

class LiveChannel implements Channel {
  readonly name: string;
  readonly #host: ChannelHost;
  readonly #options: ChannelOptions;
  readonly #callbacks: Callbacks;
  readonly #opening = new Opening();
  readonly #onEnded: (isSaid: boolean) => void;
  /** Its `sub` has gone over the present connection, or the last one. */
  #isSubscribed = false;
  #isAnnounced = false;
  #isOver = false;

  constructor(
    name: string,
    options: ChannelOptions,
    parts: { host: ChannelHost; fallback: (error: Error) => void; onEnded: (isSaid: boolean) => void },
  ) {
    this.name = name;
    this.#options = options;
    this.#host = parts.host;
    this.#onEnded = parts.onEnded;
    this.#callbacks = new Callbacks(options.onError, parts.fallback);
  }

  get state(): ClientState {
    return this.#isOver ? "closed" : this.#host.state;
  }

  get opened(): Promise<void> {
    return this.#opening.promise;
  }

  send(data: ClientData): boolean {
    const message = writeMessage(this.name, checkData(data));
    return !this.#isOver && this.#host.post(message, this);
  }

  close(): boolean {
    if (this.#isOver) return false;
    this.#leave(this.#host.write(`uns,${this.name}`));
    queueMicrotask(() => this.#callbacks.run("onClose", this.#options.onClose, ENDED));
    return true;
  }

  subscribe(): void {
    if (!this.#isOver) this.#isSubscribed = this.#host.write(`sub,${this.name}`);
  }

  /** Says once for each subscription that the channel is open. */
  announce(): void {
    if (!this.#isSubscribed || this.#isAnnounced || this.state !== "open") return;
    this.#isAnnounced = true;
    this.#opening.opened();
    this.#callbacks.run("onOpen", this.#options.onOpen);
  }

  message(payload: string | Uint8Array): void {
    // What comes right behind the subscription must not come before its opening.
    this.announce();
    if (!this.#isOver) this.#callbacks.run("onMessage", this.#options.onMessage, payload);
  }

  refused(reason: string): void {
    const error = new SendallError("REFUSED", `the channel ${show(this.name)} was refused: ${reason}`, {
      body: reason,
    });
    this.#callbacks.tell(error);
    this.end({ code: ABNORMAL, reason, wasClean: false, willRetry: false });
  }

  /** The server, or the client's connection, has ended it. */
  end(closing: ClientClosing): void {
    if (this.#isOver) return;
    this.#isAnnounced = false;
    if (!closing.willRetry) this.#leave(false);
    this.#callbacks.run("onClose", this.#options.onClose, closing);
  }

  /** @param isSaid the server is told of it */
  #leave(isSaid: boolean): void {
    this.#isOver = true;
    this.#host.forget(this);
    this.#opening.failed(new SendallError("CLOSED", `the channel ${show(this.name)} ended before it was open`));
    this.#onEnded(isSaid);
  }
}

/** As long as a server lets the name of a channel be. */
function checkName(name: unknown): asserts name is string {
  const isName = typeof name === "string" && name !== "" && !name.includes(",");
  if (isName && name.length <= MAX_NAME_LENGTH) return;
  const got = isName ? `one of ${name.length}` : show(name);
  throw new SendallError(
    "BAD_CHANNEL",
    `channel: expected a name of 1 to ${MAX_NAME_LENGTH} characters without a comma, got ${got}`,
  );
}

export class Channels {
  readonly #host: ChannelHost;
  readonly #fallback: (error: Error) => void;
  readonly #live = new Map<string, LiveChannel>();
  /** Those that ended over the present connection: what is still on its way for them is for nobody. */
  readonly #left = new Set<string>();
  readonly #fences: Fences<LiveChannel>;

  constructor(host: ChannelHost, fallback: (error: Error) => void) {
    this.#host = host;
    this.#fallback = fallback;
    this.#fences = new Fences(host.clock, (name) => host.write(`uns,${name}`));
  }

  open(name: string, options: ChannelOptions): Channel {
    checkName(name);
    if (this.#live.has(name)) throw new SendallError("BAD_CHANNEL", `the channel ${show(name)} is open already`);
    const channel = new LiveChannel(name, readChannelOptions(options), {
      host: this.#host,
      fallback: this.#fallback,
      onEnded: (isSaid) => {
        this.#live.delete(name);
        this.#left.add(name);
        if (isSaid) this.#fences.parted(name);
      },
    });
    this.#live.set(name, channel);
    const { state } = this.#host;
    if (state === "open") {
      this.#fences.begin(channel);
      channel.subscribe();
    }
    // Never from within the call: whoever called does not have the channel yet.
    if (state === "closing" || state === "closed") queueMicrotask(() => channel.end(OVER));
    else queueMicrotask(() => channel.announce());
    return channel;
  }

  /** A new connection: each channel, in the order of their making, subscribes before anything else is sent. */
  subscribe(): void {
    this.#left.clear();
    this.#fences.clear();
    for (const channel of this.#live.values()) channel.subscribe();
  }

  announce(): void {
    for (const channel of [...this.#live.values()]) channel.announce();
  }

  /** The connection has ended. */
  end(closing: ClientClosing): void {
    this.#fences.clear();
    for (const channel of [...this.#live.values()]) channel.end(closing);
  }

  /** Whether the message was for a channel. */
  take(data: string | Uint8Array): boolean {
    if (this.#live.size + this.#left.size === 0) return false;
    const message = readMultiplexed(data);
    if (message === undefined) return false;
    if (message.verb === "err" && isFenceAnswer(message) && this.#fences.passed()) return true;
    const channel = this.#live.get(message.name);
    if (channel === undefined) return this.#left.has(message.name);
    if (message.verb === "msg") channel.message(message.payload);
    else if (message.verb === "uns") this.#fences.conclude(channel, () => channel.end(ENDED));
    else if (isRefusal(message.text)) this.#fences.conclude(channel, () => channel.refused(message.text));
    return true;
  }
}

/** Of a channel that was asked for when its client was closed. */
const OVER: ClientClosing = { code: ABNORMAL, reason: "", wasClean: false, willRetry: false };
