/**
 * A socket's subscription to a channel, which the channel's handler gets as its connection: with the facts of the socket, and with the
 * verbs and rooms of the channel. A subscription ends with `uns` from either side, or with its socket.
 */
import { abortFor, createAbort } from "../../actors/connection/abort.js";
import { IdleAlarm } from "../../actors/connection/idle-alarm.js";
import { joinRoom, leaveRoom, RoomNames } from "../../actors/connection/room-names.js";
import { LOST_INFO } from "../../actors/route/bus.js";
import { checkDuration, checkRoom } from "../../actors/route/checks.js";
import type { ConnectionQueue } from "../../actors/route/connection-queue.js";
import { isControl, type MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Member, Outbox, Outcome } from "../../actors/route/member.js";
import { ABNORMAL, checkCloseCode, cutReason, NORMAL } from "../../api/close-codes.js";
import type { Connection, ConnectionData, ConnectionId, Data } from "../../api/connection.js";
import type { AwayEvent, BackEvent, Ending, MessageEvent } from "../../api/events.js";
import type { FollowFrom, FollowResult } from "../../api/follow.js";
import type { Json } from "../../api/json.js";
import { ReleasableOwner } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import { endingOf } from "../ending.js";
import { SocketFacts } from "./socket-facts.js";
import type { SubscribedChannel, Subscriber } from "./subscribed-channel.js";

/** Each subscription gets a copy of a plain object; the subscriptions of a socket share any other value of `authorize`. */
function copyOf(data: ConnectionData): ConnectionData {
  return Object.getPrototypeOf(data) === Object.prototype ? { ...data } : data;
}

export class Subscription extends SocketFacts implements Subscriber, Outbox {
  /** Read-only, as in `LiveConnection`. */
  declare readonly id: ConnectionId;
  readonly queue: ConnectionQueue;
  readonly leakOwner: ReleasableOwner<Subscription>;
  data: ConnectionData;
  readonly #openedAt: number;
  readonly #socket: Member;
  readonly #channel: SubscribedChannel;
  readonly #onSubscriptionClosed: () => void;
  readonly #rooms = new RoomNames();
  #abort: AbortController | undefined;
  #alarm: IdleAlarm | undefined;
  /** Called once: when the waiting events are handled, or when the subscription is unregistered. */
  #onCaughtUp: (() => void) | undefined;
  #isAnnounced = false;
  /** The socket has gone away, and `back` is not posted yet. */
  #hasGoneAway = false;
  #isRegistered = true;
  #isClosed = false;

  /** @param onClosed called once, after an end by either side */
  constructor(channel: SubscribedChannel, socket: Member, onClosed: () => void) {
    super(socket);
    this.#channel = channel;
    this.#onSubscriptionClosed = onClosed;
    this.#socket = socket;
    Object.defineProperty(this, "id", { value: channel.host.newId(), enumerable: true });
    this.#openedAt = channel.host.clock.now();
    this.data = copyOf(socket.data);
    this.queue = channel.createQueue(this);
    if (socket.queue.payer !== undefined) this.queue.payer = socket.queue.payer;
    this.leakOwner = new ReleasableOwner<Subscription>(this, channel.host.clock, channel.host.leaked);
  }

  get openedAt(): number {
    return this.#openedAt;
  }
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }
  get isAway(): boolean {
    return this.isOpen && this.#socket.isAway;
  }
  get isOpen(): boolean {
    return this.#isRegistered && this.#socket.isOpen;
  }
  get isPaused(): boolean {
    return this.#socket.isPaused;
  }
  /** How many events wait, here and in nested channels. */
  get waiting(): number {
    return this.queue.size + (this.#channel.runner.waitingOf?.(this) ?? 0);
  }
  get hasWaitingMessages(): boolean {
    return this.queue.messages > 0 || this.#socket.hasWaitingMessages;
  }
  get carrier(): Connection {
    return this.#socket.carrier ?? this.#socket;
  }
  get outbox(): Outbox {
    return this;
  }
  get isTarget(): boolean {
    return this.#isAnnounced && this.isOpen;
  }
  get rooms(): ReadonlySet<string> {
    return this.#rooms;
  }
  get signal(): AbortSignal {
    this.#abort ??= createAbort(this.#isClosed);
    return this.#abort.signal;
  }

  send(data: Data): boolean {
    return this.#channel.bus.reply(data, this);
  }

  ping(data?: Data): boolean {
    return this.isOpen && this.#socket.ping(data);
  }

  pong(data?: Data): boolean {
    return this.isOpen && this.#socket.pong(data);
  }

  /** Ends the channel for this socket only; the socket stays open. The peer gets `uns`, which has no room for a code or a reason. */
  close(code: number = NORMAL.code, reason: string = NORMAL.reason): boolean {
    checkCloseCode(code);
    return this.#closeByServer({ code, reason: cutReason(reason), wasClean: true, by: "server", unacknowledged: 0 });
  }

  terminate(): boolean {
    return this.#closeByServer({ code: ABNORMAL, reason: "", wasClean: false, by: "server", unacknowledged: 0 });
  }

  join(room: string): boolean {
    checkRoom(room);
    const { maxRoomsPerConnection } = this.#channel.host.settings;
    if (!this.isOpen || this.#rooms.size >= maxRoomsPerConnection) return false;
    return joinRoom<Member>(this, this.#rooms, this.#channel.registry, room);
  }

  leave(room: string): boolean {
    checkRoom(room);
    return this.isOpen && leaveRoom<Member>(this, this.#rooms, this.#channel.registry, room);
  }

  follow(room: string, from: FollowFrom): Promise<FollowResult> {
    return this.#channel.bus.follow(this, room, from);
  }

  show(info: Json): boolean {
    return this.#channel.bus.show(this, info);
  }

  idle(ms: number): boolean {
    checkDuration("connection.idle", ms);
    if (!this.isOpen) return false;
    this.#alarm?.cancel();
    const { clock } = this.#channel.host;
    this.#alarm = ms === 0 ? undefined : new IdleAlarm(clock, ms, () => this.#onSilence());
    return true;
  }

  offer(frame: Frame): Outcome {
    return this.isOpen ? this.#socket.outbox.offer(frame) : "dead";
  }

  replay(frames: readonly Frame[]): number | undefined {
    return this.isOpen ? this.#socket.outbox.replay(frames) : 0;
  }

  tell(data: unknown): boolean {
    return this.isOpen && this.#channel.post(this, { type: "info", data, connection: this });
  }

  forward(data: unknown): boolean {
    return this.isOpen && this.#channel.forward(this, { type: "info", data, connection: this });
  }

  onMessage(data: string | Buffer): void {
    this.#alarm?.heard();
    this.#channel.post(this, messageEvent(this, data), Buffer.byteLength(data));
  }

  /** Called for every subscription of a socket with each event of the socket that is not a message. */
  onSocketEvent(event: MailboxEvent): void {
    if (event.type === "closed") this.onClosed(endingOf(event));
    else if (event.type === "error") this.#channel.post(this, { ...event, connection: this });
    else if (event.type === "away" || event.type === "back") this.#onAwayOrBack(event);
    else if (event.type === "info") this.#onInfo(event.data);
    else if (isControl(event) && this.#channel.runner.hearsPings)
      this.#channel.post(this, { ...event, connection: this }, event.data.length);
  }

  /** Takes the subscription off the bus, because the socket has closed or the channel has ended for this socket. */
  unregister(isDiscarded: boolean): void {
    if (!this.#isRegistered) return;
    this.#isRegistered = false;
    this.#alarm?.cancel();
    this.#channel.unregister(this, this.#socket, isDiscarded);
    this.#reportCaughtUp();
  }

  /** @param done called once every event that waits now is handled, or once the subscription is unregistered */
  catchUp(done: () => void): void {
    this.#onCaughtUp = done;
    this.#channel.host.catchUp(this.queue);
  }

  caughtUp(): void {
    const { runner } = this.#channel;
    if (runner.caughtUp === undefined) this.#reportCaughtUp();
    else runner.caughtUp(this, () => this.#reportCaughtUp());
  }

  #reportCaughtUp(): void {
    const done = this.#onCaughtUp;
    this.#onCaughtUp = undefined;
    done?.();
  }

  /** Posts `closed`, the last event, at the first call; later calls do nothing. */
  onClosed(ending: Ending): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.unregister(false);
    this.#onSubscriptionClosed();
    this.#channel.post(this, Object.freeze({ type: "closed", connection: this, ...ending }));
    this.#abortSignal();
  }

  #abortSignal(): void {
    abortFor(this.leakOwner, this.#abort);
  }

  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  announce(): void {
    this.#isAnnounced = true;
  }

  onClosedHandled(): void {
    this.leakOwner.release();
    this.#rooms.unregisterAll();
  }

  /** The subscription survives, so no `sub` follows. Silence counts anew once the socket is back. */
  #onAwayOrBack(event: AwayEvent | BackEvent): void {
    this.#hasGoneAway = event.type === "away";
    if (event.type === "back") this.#alarm?.heard();
    this.#channel.bus.presence?.onAwayOrBack(this);
    this.#channel.post(this, Object.freeze({ ...event, connection: this }));
  }

  /** A peer is not silent while any channel has paused its socket, or while messages of the socket wait. */
  #onSilence(): void {
    // `back` starts the wait again.
    if (this.isAway || this.#hasGoneAway) return;
    if (this.isPaused || this.#socket.hasWaitingMessages) this.#alarm?.heard();
    else this.#channel.post(this, Object.freeze({ type: "idle", connection: this }));
  }

  #onInfo(data: unknown): void {
    if (this.isOpen && !this.forward(data)) this.#channel.host.log.warn({ connection: this.id }, LOST_INFO);
  }

  #closeByServer(ending: Ending): boolean {
    if (!this.isOpen) return false;
    // `uns` goes first: the rest may send the socket's own close frame, which waits for the last channel of the socket.
    this.#channel.sendEnd(this.#socket);
    this.unregister(true);
    this.onClosed(ending);
    return true;
  }
}

/** `text` is a getter, so that bytes are decoded only when the handler reads `text`. */
function messageEvent(connection: Subscription, data: string | Buffer): MessageEvent {
  return {
    type: "message",
    connection,
    data,
    get text() {
      return data.toString();
    },
  };
}
