/**
 * The channels of a client: many named conversations over the client's socket, the client's side of `channels({...})`. Each client has
 * a {@link ClientChannels} for its lifetime, and passes every message of the socket to it; `multiplex.ts` has the message format. A
 * channel ends by `close`, by the server, or with its client.
 */

import { ABNORMAL, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { MAX_NAME_LENGTH } from "../api/names.js";
import { show } from "../runtime/show.js";
import { type ClientClock, checkData, toMessage } from "./arguments.js";
import { Callbacks } from "./callbacks.js";
import type { ClientState } from "./machine.js";
import { CROSSED, NOT_SUBSCRIBED, readMultiplexed, writeMessage } from "./multiplex.js";
import { OpenedPromise } from "./opened-promise.js";
import type { ChannelOptions, ClientClosing, ClientData, ClientOpening } from "./options.js";
import { readChannelOptions } from "./settings.js";
import type { Message } from "./socket.js";
import { soon } from "./soon.js";
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
  /** How the present connection began. */
  readonly opening: ClientOpening;
  readonly clock: ClientClock;
  /** Hands a message to the socket at once. @returns `false` if no open socket takes the message */
  write(data: string): boolean;
  /** Hands a message to the socket, or keeps the message for the channel until a socket is open. */
  send(message: Message, data: ClientData, owner: Channel): boolean;
  /** Discards the messages kept for the channel. @returns what the program gave to `send` */
  cancel(owner: Channel): readonly ClientData[];
}

/** How a channel ended; the channel adds what was not sent. */
type Ending = Omit<ClientClosing, "unsent">;

const ENDED: Ending = { ...NORMAL, wasClean: true, willRetry: false, uncertain: [] };
/** The end of a channel that was refused, or opened on a closed client. */
const REFUSED: Ending = { ...ENDED, code: ABNORMAL, wasClean: false };

/** The life of a channel: each connection takes it from the first stage to the third, and `closed` is the last. */
type Stage = "idle" | "subscribed" | "announced" | "closed";

class ClientChannel implements Channel {
  readonly name: string;
  readonly #host: ChannelHost;
  readonly #callbacks: Callbacks;
  readonly #opened = new OpenedPromise();
  readonly #onUnregistered: (isServerTold: boolean) => void;
  #stage: Stage = "idle";

  constructor(name: string, host: ChannelHost, callbacks: Callbacks, onUnregistered: (isServerTold: boolean) => void) {
    this.name = name;
    this.#host = host;
    this.#callbacks = callbacks;
    this.#onUnregistered = onUnregistered;
  }

  get state(): ClientState {
    return this.#stage === "closed" ? "closed" : this.#host.state;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  send(data: ClientData): boolean {
    const own = checkData(data);
    return this.#stage !== "closed" && this.#host.send(writeMessage(this.name, toMessage(own)), own, this);
  }

  close(): boolean {
    if (this.#stage === "closed") return false;
    const unsent = this.#unregister(this.#host.write(`uns,${this.name}`));
    soon(() => this.#callbacks.emit("close", { ...ENDED, unsent }));
    return true;
  }

  subscribe(): void {
    if (this.#stage !== "closed") this.#stage = this.#host.write(`sub,${this.name}`) ? "subscribed" : "idle";
  }

  /** Calls `onOpen` once for each subscription. */
  announce(): void {
    if (this.#stage !== "subscribed" || this.state !== "open") return;
    this.#stage = "announced";
    this.#opened.resolve();
    this.#callbacks.emit("open", this.#host.opening);
  }

  onMessage(payload: string | Uint8Array): void {
    // `onOpen` must come before the first message, which may follow the subscription at once.
    this.announce();
    if (this.#stage !== "closed") this.#callbacks.emit("message", payload);
  }

  onRefused(reason: string): void {
    const text = `the channel ${show(this.name)} was refused: ${reason}`;
    this.#callbacks.emit("error", new SendallError("REFUSED", text, { body: reason }));
    this.onClosed({ ...REFUSED, reason });
  }

  /** Called when the server has ended the channel, or when the client's connection has ended. */
  onClosed(ending: Ending): void {
    if (this.#stage === "closed") return;
    this.#stage = "idle";
    this.#callbacks.emit("close", { ...ending, unsent: ending.willRetry ? [] : this.#unregister(false) });
  }

  /** @param isServerTold whether `uns` was sent to the server @returns the messages that are not sent */
  #unregister(isServerTold: boolean): readonly ClientData[] {
    this.#stage = "closed";
    this.#opened.reject(new SendallError("CLOSED", `the channel ${show(this.name)} ended before it was open`));
    this.#onUnregistered(isServerTold);
    return this.#host.cancel(this);
  }
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

  /** Checks the name by the rules of the server. */
  open(name: string, options: ChannelOptions): Channel {
    const isName = typeof name === "string" && name !== "" && !name.includes(",");
    if (!isName || name.length > MAX_NAME_LENGTH)
      throw new SendallError(
        "BAD_CHANNEL",
        `channel: expected a name of 1 to ${MAX_NAME_LENGTH} characters without a comma, got ${isName ? `one of ${name.length}` : show(name)}`,
      );
    if (this.#open.has(name)) throw new SendallError("BAD_CHANNEL", `the channel ${show(name)} is open already`);
    const callbacks = new Callbacks(readChannelOptions(options), this.#fallback);
    const channel = new ClientChannel(name, this.#host, callbacks, (isServerTold) => {
      this.#open.delete(name);
      this.#closed.add(name);
      if (isServerTold) this.#markers.onUnsubscribed(name);
    });
    this.#open.set(name, channel);
    const { state } = this.#host;
    if (state === "open") {
      this.#markers.sendBefore(channel);
      channel.subscribe();
    }
    // No callback before `open` returns: the caller does not have the channel yet.
    soon(() => (state === "closing" || state === "closed" ? channel.onClosed(REFUSED) : channel.announce()));
    return channel;
  }

  /** Called for a new connection: every channel subscribes, in the order of creation, before the first message is sent. */
  subscribe(): void {
    this.#closed.clear();
    for (const channel of this.#open.values()) channel.subscribe();
  }

  announce(): void {
    for (const channel of [...this.#open.values()]) channel.announce();
  }

  /** Called when the connection has ended. */
  onConnectionClosed(ending: Ending): void {
    this.#markers.clear();
    for (const channel of [...this.#open.values()]) channel.onClosed(ending);
  }

  /** @returns whether the message was for a channel */
  onMessage(data: string | Uint8Array): boolean {
    const message = this.#open.size + this.#closed.size > 0 && readMultiplexed(data);
    if (!message) return false;
    const { verb, name, payload } = message;
    // A different server may ignore the marker, whose name is empty.
    if (name === "" && payload === NOT_SUBSCRIBED && this.#markers.onAnswered()) return true;
    const channel = this.#open.get(name);
    if (channel === undefined) return this.#closed.has(name);
    if (payload === undefined) this.#markers.onClosedByServer(channel, () => channel.onClosed(ENDED));
    else if (verb === "msg,") channel.onMessage(payload);
    else if (!CROSSED.includes(payload))
      this.#markers.onClosedByServer(channel, () => channel.onRefused(String(payload)));
    return true;
  }
}
