/**
 * The channels of a client: many named conversations over the client's socket, the client's side of `channels({...})`. Each client has
 * {@link ClientChannels} for its lifetime, and passes every message of the socket to them; `multiplex.ts` has the message format. A
 * channel ends by `close`, by the server, or with its client. Written as closures, as the rest of the client is: the names of variables
 * cost a page nothing.
 */
import { ABNORMAL, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import type { MAX_NAME_LENGTH } from "../api/names.js";
import type { Line } from "../protocol/calls.js";
import { checkData } from "./arguments.js";
import { type Callbacks, createCallbacks } from "./callbacks.js";
import type { ClientState } from "./machine.js";
import { CROSSED, readMultiplexed, writeMessage } from "./multiplex.js";
import { createOpened } from "./opened.js";
import type { ChannelOptions, ClientClosing, ClientData, ClientOpening } from "./options.js";
import { readChannelOptions } from "./settings.js";
import { soon } from "./soon.js";
import { channelRefusedText, IS_WORDY, refuse } from "./texts.js";

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
  stateOf(): ClientState;
  /** How the present session began, or the connection without a session, with what is uncertain of the channel. */
  opening(owner: Channel): ClientOpening;
  /** Whether the server is Sendall: there is a session, or the present connection speaks the protocol of sessions. */
  isSession(): unknown;
  /**
   * Sends a message like those of a program, or keeps the message for the next connection of the session.
   * @returns `false` if there is neither a session nor an open socket
   */
  write(message: string): boolean;
  /** Hands a message to the socket, or keeps the message for the channel until a socket is open. @param data what the program gave */
  send(message: ClientData, data: ClientData, owner: object): boolean;
  /** Discards the messages that wait for the channel, and tells which are uncertain. @returns what the program gave to `send` */
  leave(owner: Channel): Pick<ClientClosing, "uncertain" | "unsent">;
  readonly line: Line;
  /** Takes exceptions of a channel without a callback for errors. */
  report(error: SendallError): void;
}

/** How a channel ended; of an end for good, the channel itself knows the messages. */
type Ending = Omit<ClientClosing, "uncertain" | "unsent">;

export interface ClientChannels {
  make(name: string, options: ChannelOptions): Channel;
  /** Called for a new session: every channel subscribes, in the order of creation, before the first message is sent. */
  renew(): void;
  /**
   * Called after the client's own callbacks for the new connection: opens the channels that have subscribed.
   * @param lost how many messages of the server are lost: perhaps answers to sync markers, which are awaited no longer
   */
  announce(lost?: number): void;
  /** Called when the connection has ended, and the session with the connection. */
  onConnectionClosed(ending: ClientClosing): void;
  /** @returns whether the message was for a channel */
  onData(data: string | Uint8Array): boolean;
}

const ENDED: Ending = { code: NORMAL.code, reason: "", wasClean: true, willRetry: false };
/** The end of a channel that was refused, or opened on a closed client. */
const REFUSED: Ending = { ...ENDED, code: ABNORMAL, wasClean: false };

/** Of 1 to {@link MAX_NAME_LENGTH} characters. */
const NAME = /^[^,]{1,1024}$/;

/** The stages of a channel's life: each session takes the channel from the first to the third, and `CLOSED` is the last. */
const IDLE = 0;
const SUBSCRIBED = 1;
const ANNOUNCED = 2;
const CLOSED = 3;

/** A channel with what the client tells the channel. */
interface OwnChannel {
  readonly face: Channel;
  /** How many sync markers the client had sent before it subscribed. */
  since: number;
  renew(): void;
  /** Calls `onOpen` once for each subscription. */
  announce(): void;
  onPayload(payload: string | Uint8Array): void;
  onRefused(reason: string): void;
  /** The server has ended the channel, or the client's connection has ended. */
  onClosed(ending: Ending): void;
}

function createChannel(name: string, host: ChannelHost, callbacks: Callbacks, onUnregistered: () => void): OwnChannel {
  const { promise, fulfil, fail } = createOpened(name);
  let stage = IDLE;
  /** @param ending completed with the messages that have not arrived for certain */
  const unregister = (ending: Ending): ClientClosing => {
    stage = CLOSED;
    fail();
    onUnregistered();
    return { ...ending, ...host.leave(channel) };
  };
  const post = (data: ClientData, owner: object): boolean =>
    stage !== CLOSED && host.send(writeMessage(name, data), data, owner);
  const channel: Channel = {
    name,
    opened: promise,
    get state() {
      return stage === CLOSED ? "closed" : host.stateOf();
    },
    send: (data) => post(checkData(data), channel),
    close() {
      if (stage === CLOSED) return false;
      if (stage !== IDLE) host.write(`uns,${name}`);
      const ending = unregister(ENDED);
      soon(() => callbacks.emit("close", ending));
      return true;
    },
  };
  const announce = (): void => {
    if (stage !== SUBSCRIBED || host.stateOf() !== "open") return;
    stage = ANNOUNCED;
    fulfil();
    callbacks.emit("open", host.opening(channel));
  };
  const onClosed = (ending: Ending): void => {
    if (stage === CLOSED) return;
    stage = IDLE;
    callbacks.emit("close", ending.willRetry ? (ending as ClientClosing) : unregister(ending));
  };
  return {
    face: callbacks.face(channel, post, host.line),
    announce,
    onClosed,
    since: 0,
    renew() {
      if (stage !== CLOSED && host.write(`sub,${name}`)) stage = SUBSCRIBED;
    },
    onPayload(payload) {
      // `onOpen` must come before the first message, which may follow the subscription at once.
      announce();
      if (stage !== CLOSED) callbacks.emit("message", payload);
    },
    onRefused(reason) {
      callbacks.emit(
        "error",
        new SendallError("REFUSED", IS_WORDY ? channelRefusedText(name, reason) : reason, { body: reason }),
      );
      onClosed({ ...REFUSED, reason });
    },
  };
}

export function createChannels(host: ChannelHost): ClientChannels {
  const open = new Map<string, OwnChannel>();
  /** The names of channels closed over the present connection. Messages still on their way for such a channel are ignored. */
  const closed = new Set<string>();
  /**
   * What a server sends names only the channel, so a message or an end that crosses the client's `uns,name` and `sub,name` looks like one
   * of the new subscription. Therefore a sync marker precedes such a `sub`: an `uns,` without a name, which a Sendall server answers in order
   * with `err,,not subscribed`. Whatever comes before the answer is for the old subscription. On a plain socket the server may be a different
   * one, which does not answer: no marker is sent, everything counts for the new subscription, and of an end the server is told.
   */
  let markers = 0;
  let answers = 0;
  return {
    make(name, options) {
      // The rules of the server, and one of ours.
      if (typeof name !== "string" || !NAME.test(name) || open.has(name)) refuse("channel", name, "BAD_CHANNEL");
      const callbacks = createCallbacks(readChannelOptions(options), host.report);
      if (closed.has(name) && host.isSession() && host.write("uns,")) markers++;
      const onUnregistered = (): void => {
        open.delete(name);
        closed.add(name);
      };
      const own = createChannel(name, host, callbacks, onUnregistered);
      const state = host.stateOf();
      open.set(name, own);
      own.since = markers;
      own.renew();
      // No callback before `open` returns: the caller does not have the channel yet.
      soon(() => (state === "closing" || state === "closed" ? own.onClosed(REFUSED) : own.announce()));
      return own.face;
    },
    renew() {
      closed.clear();
      answers = markers;
      for (const own of open.values()) own.renew();
    },
    announce(lost) {
      if (lost) answers = markers;
      for (const own of open.values()) own.announce();
    },
    onConnectionClosed(ending) {
      for (const own of [...open.values()]) own.onClosed(ending);
    },
    onData(data) {
      const message = open.size + closed.size > 0 && readMultiplexed(data);
      if (!message) return false;
      const [verb, name, payload] = message;
      const own = open.get(name);
      if (answers < markers && !name && CROSSED.test(payload as string)) answers++;
      else if (!own) return closed.has(name);
      else if (own.since <= answers)
        if (verb === "msg") own.onPayload(payload as string | Uint8Array);
        else if (!CROSSED.test(payload as string)) {
          if (!host.isSession()) host.write(`uns,${name}`);
          if (verb === "uns") own.onClosed(ENDED);
          else own.onRefused(payload as string);
        }
      return true;
    },
  };
}
