/**
 * A running client: its machine, its current socket, its channels and the messages that wait for a connection. `connect.ts` makes a
 * client, which ends when the machine reaches `closed`. The user's callbacks run after the machine's step, so that a callback reads the
 * new `state`; listeners of the status run after the callbacks. Written as a closure: the names of variables cost a page nothing.
 */
import { cutReason, isClientCloseCode, NORMAL } from "../api/close-codes.js";
import { SendallError } from "../api/errors.js";
import { isSessionName } from "../api/session-protocol.js";
import { type ClientClock, checkData, sizeOf } from "./arguments.js";
import { type ClientEvents, createCallbacks } from "./callbacks.js";
import { type Channel, createChannels } from "./channels.js";
import { type ClientState, type MachineEvent, START, type Step, step } from "./machine.js";
import { createOpened } from "./opened.js";
import type { ChannelOptions, ClientData, ClientStatus } from "./options.js";
import { watchPage } from "./page.js";
import type { ClientSettings } from "./settings.js";
import { createSocket, type SocketEnd, type SocketFactory } from "./socket.js";
import { soon } from "./soon.js";
import { refuse } from "./texts.js";
import { ownProtocol, type Welcome } from "./wire.js";

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
export interface ClientParts {
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

/** A message that waits for a connection. */
interface WaitingMessage {
  /** What to hand to the socket. */
  readonly message: ClientData;
  /** What the program gave to `send`. */
  readonly data: ClientData;
  readonly owner: Channel | undefined;
  readonly bytes: number;
}

const PLAIN: Welcome = {
  opening: { resumed: false, why: "plain", replayed: 0, lost: 0, uncertain: [] },
  limitMs: 0,
};

export function createClient({ url, settings, factory, clock }: ClientParts): Client {
  const callbacks = createCallbacks(settings);
  const opened = createOpened();
  const alarms: { phase?: Alarm | undefined; silence?: Alarm | undefined } = {};
  let machine = START[0];
  let status: ClientStatus = { state: machine.state, retryAt: undefined, resumed: false };
  /** How the present connection began, or the last. */
  let { opening } = PLAIN;
  /** Oldest first. */
  const queue = new Set<WaitingMessage>();
  let queuedBytes = 0;
  /** The callbacks for `open` are running: what they send goes to the socket before the messages that wait. */
  let isGreeting = false;
  let heardAt = 0;
  let lastError: SendallError | undefined;
  /** Code and reason of the client's close frame. */
  let farewell: readonly [number, string] = [NORMAL.code, ""];

  const now = (): number => clock.now?.() ?? Date.now();
  const state = (): ClientState => machine.state;
  const isAlive = (): boolean => !/^clos/.test(state());

  /** Replaces an alarm. Without a time, there is no alarm any more. */
  const setAlarm = (type: "phase" | "silence", ms?: number): void => {
    clock.clearTimeout(alarms[type]?.id);
    const dueAt = now() + (ms ?? 0);
    const left = socket.bufferedAmount();
    const ring = (): void => {
      // Bytes that the socket has taken are a sign of life, too: an answer may wait behind a long message of the client's.
      if (socket.bufferedAmount() < left) onFrame();
      take({ type, lateMs: now() - dueAt, silentMs: now() - heardAt });
    };
    alarms[type] = ms === undefined ? undefined : { dueAt, id: clock.setTimeout(ring, ms) };
  };
  /** Listeners of the status hear of the last change in a row. */
  const show = (): void => {
    const retryAt = state() === "waiting" ? alarms.phase?.dueAt : undefined;
    const shown = { state: state(), retryAt, resumed: state() === "open" && opening.resumed };
    status = shown;
    soon(() => status === shown && callbacks.emit("status", shown));
  };
  const take = (event: MachineEvent): void => carryOut(step(machine, event, settings.reconnect));
  const carryOut = ([next, { act, phaseMs, silenceMs }]: Step): void => {
    machine = next;
    if (phaseMs !== undefined || state() === "closed") setAlarm("phase", phaseMs);
    if (silenceMs !== undefined || state() !== "open") setAlarm("silence", silenceMs);
    if (state() !== status.state) show();
    if (act) socket[act](...farewell);
  };

  const forget = (waiting: WaitingMessage): void => {
    if (queue.delete(waiting)) queuedBytes -= waiting.bytes;
  };
  /** Takes an owner's messages out of the queue. */
  const cancel = (owner?: Channel): ClientData[] => {
    const cancelled = [...queue].filter((waiting) => waiting.owner === owner);
    cancelled.forEach(forget);
    return cancelled.map(({ data }) => data);
  };
  const send = (message: ClientData, data: ClientData, owner?: Channel): boolean => {
    const { maxMessages, maxBytes } = settings.offline;
    if (!isAlive()) return false;
    // A socket takes no message while its peer is closing; then the message waits for the next socket.
    if (state() === "open" && (isGreeting || !queue.size) && socket.send(message)) return true;
    const bytes = sizeOf(message);
    if (queue.size >= maxMessages || queuedBytes + bytes > maxBytes) return false;
    queue.add({ message, data, owner, bytes });
    queuedBytes += bytes;
    return true;
  };

  const channels = createChannels({
    state,
    opening: () => opening,
    isSession: () => isSessionName(socket.protocol()),
    write: (message) => state() === "open" && socket.send(message),
    send,
    cancel,
    report: callbacks.report,
  });
  const onOpened = (welcome = PLAIN): void => {
    // The attempt may have been given up while its socket opened.
    if (state() !== "connecting") return;
    heardAt = now();
    opening = welcome.opening;
    take({ type: "opened", limitMs: welcome.limitMs });
    opened.fulfil();
    isGreeting = true;
    channels.subscribe();
    callbacks.emit("open", opening);
    channels.announce();
    isGreeting = false;
    for (const waiting of queue) {
      // A callback may have closed the client.
      if (state() !== "open" || !socket.send(waiting.message)) break;
      forget(waiting);
    }
  };
  const onFrame = (data?: string | Uint8Array): void => {
    heardAt = now();
    if (machine.waits) take({ type: "heard" });
    if (data === undefined) return;
    if (machine.retries || machine.patience > 1) take({ type: "message" });
    if (!channels.onMessage(data)) callbacks.emit("message", data);
  };
  const onClosed = ({ code, reason, wasClean, isFinal }: SocketEnd): void => {
    if (state() === "closed") return;
    const cause = isAlive() ? lastError : undefined;
    take({ type: "ended", isFinal, random: clock.random() });
    const willRetry = isAlive();
    const ending = { code, reason, wasClean, willRetry, uncertain: [] };
    channels.onConnectionClosed(ending);
    if (!willRetry) {
      stopWatching();
      opened.fail(cause ?? new SendallError("CLOSED", "the client ended before it was open"));
    }
    callbacks.emit("close", { ...ending, unsent: willRetry ? [] : cancel() });
  };
  const listener = {
    state,
    onUpgraded: () => take({ type: "upgraded" }),
    onOpened,
    onFrame,
    onFailed(error: SendallError) {
      lastError = error;
      callbacks.emit("error", error);
    },
    onClosed,
  };
  const socket = createSocket(url, factory, listener, settings.session);
  const client: Client = {
    get state() {
      return state();
    },
    get status() {
      return status;
    },
    get pending() {
      return queue.size;
    },
    get bufferedAmount() {
      return socket.bufferedAmount();
    },
    get protocol() {
      return state() === "open" ? ownProtocol(socket.protocol()) : "";
    },
    opened: opened.promise,
    subscribe: (listener) => callbacks.add("status", listener),
    on: callbacks.add,
    send(data) {
      const own = checkData(data);
      return send(own, own);
    },
    close(code = NORMAL.code, reason = "") {
      if (!isClientCloseCode(code)) refuse("close code", code, "BAD_CLOSE_CODE");
      const wasAlive = isAlive();
      if (wasAlive) {
        farewell = [code, cutReason(reason)];
        take({ type: "close" });
      }
      return wasAlive;
    },
    channel: (name, options = {}) => channels.open(name, options),
  };
  const stopWatching = watchPage({ onBack: () => take({ type: "hint" }), onLeft: () => client.close() });
  carryOut(START);
  return client;
}
