/**
 * One socket's subscription to a channel, which is what the channel's handler gets as its connection: the socket's facts, and
 * verbs and rooms of the channel's own. Ends with `uns` from either side, or with the socket.
 */
import type { PeerCertificate } from "node:tls";
import { IdleAlarm } from "../../actors/connection/idle-alarm.js";
import { LOST_INFO } from "../../actors/route/bus.js";
import { checkDuration, checkRoom, ownName } from "../../actors/route/checks.js";
import type { ConnectionQueue, QueueOwner } from "../../actors/route/connection-queue.js";
import { isControl, type MailboxEvent } from "../../actors/route/mailbox-event.js";
import type { Member, Outbox, Outcome } from "../../actors/route/member.js";
import { ABNORMAL, checkCloseCode, cutReason, NORMAL } from "../../api/close-codes.js";
import type { ConnectionData, ConnectionId, Data, Params, TransportName } from "../../api/connection.js";
import type { Ending, MessageEvent } from "../../api/events.js";
import { ReleasableOwner, runFor } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import { endingOf } from "../ending.js";
import type { ServerChannel } from "./channel.js";

/** Each subscription has a record of its own, if it is one; what else `authorize` has returned they share. */
function copyOf(data: ConnectionData): ConnectionData {
  return Object.getPrototypeOf(data) === Object.prototype ? { ...data } : data;
}

export class Subscription implements Member, Outbox, QueueOwner {
  readonly id: ConnectionId;
  readonly openedAt: number;
  readonly lane: ConnectionQueue;
  readonly leakOwner: ReleasableOwner<Subscription>;
  data: ConnectionData;
  readonly home: object;
  readonly #socket: Member;
  readonly #channel: ServerChannel;
  readonly #onEnded: () => void;
  readonly #rooms = new Set<string>();
  #abort: AbortController | undefined;
  #alarm: IdleAlarm | undefined;
  /** Told once, when its events are handled or it is no target any more. */
  #onCaughtUp: (() => void) | undefined;
  #isAnnounced = false;
  #isLive = true;
  #isOver = false;

  /** @param onEnded it has ended, by whomever */
  constructor(channel: ServerChannel, socket: Member, onEnded: () => void) {
    this.#channel = channel;
    this.#onEnded = onEnded;
    this.#socket = socket;
    this.id = channel.host.newId();
    this.openedAt = channel.host.clock.now();
    this.data = copyOf(socket.data);
    this.home = channel.bus;
    this.lane = channel.lane(this);
    this.leakOwner = new ReleasableOwner<Subscription>(this, channel.host.clock, channel.host.leaked);
  }

  get path(): string {
    return this.#socket.path;
  }
  get params(): Params {
    return this.#socket.params;
  }
  get query(): URLSearchParams {
    return this.#socket.query;
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#socket.headers;
  }
  get cookies(): Readonly<Record<string, string>> {
    return this.#socket.cookies;
  }
  get origin(): string | undefined {
    return this.#socket.origin;
  }
  get protocol(): string {
    return this.#socket.protocol;
  }
  get version(): number {
    return this.#socket.version;
  }
  get remoteAddress(): string {
    return this.#socket.remoteAddress;
  }
  get remotePort(): number {
    return this.#socket.remotePort;
  }
  get localAddress(): string {
    return this.#socket.localAddress;
  }
  get secure(): boolean {
    return this.#socket.secure;
  }
  get peerCertificate(): PeerCertificate | undefined {
    return this.#socket.peerCertificate;
  }
  get transport(): TransportName {
    return this.#socket.transport;
  }
  get roundTripMs(): number | undefined {
    return this.#socket.roundTripMs;
  }
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }
  get isOpen(): boolean {
    return this.#isLive && this.#socket.isOpen;
  }
  get isHeld(): boolean {
    return this.#socket.isHeld;
  }
  get hasWaiting(): boolean {
    return this.lane.messages > 0 || this.#socket.hasWaiting;
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
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#isOver) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  send(data: Data): boolean {
    return this.#channel.bus.unicast(data, this).queued === 1;
  }

  ping(data?: Data): boolean {
    return this.isOpen && this.#socket.ping(data);
  }

  pong(data?: Data): boolean {
    return this.isOpen && this.#socket.pong(data);
  }

  /** Ends the channel for this socket, which stays open: the peer gets `uns`, which has no room for code and reason. */
  close(code: number = NORMAL.code, reason: string = NORMAL.reason): boolean {
    checkCloseCode(code);
    return this.#endByUs({ code, reason: cutReason(reason), wasClean: true, by: "server" });
  }

  terminate(): boolean {
    return this.#endByUs({ code: ABNORMAL, reason: "", wasClean: false, by: "server" });
  }

  join(room: string): boolean {
    checkRoom(room);
    const { maxRoomsPerConnection } = this.#channel.host.settings;
    if (!this.isOpen || this.#rooms.has(room) || this.#rooms.size >= maxRoomsPerConnection) return false;
    const name = ownName(room);
    this.#rooms.add(name);
    this.#channel.registry.join(this, name);
    return true;
  }

  leave(room: string): boolean {
    checkRoom(room);
    if (!this.isOpen || !this.#rooms.delete(room)) return false;
    this.#channel.registry.leave(this, room);
    return true;
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

  tell(data: unknown): boolean {
    return this.isOpen && this.#channel.post(this, { type: "info", data, connection: this });
  }

  forward(data: unknown): boolean {
    return this.isOpen && this.#channel.forward(this, { type: "info", data, connection: this });
  }

  message(data: string | Buffer): void {
    this.#alarm?.heard();
    this.#channel.post(this, messageEvent(this, data), Buffer.byteLength(data));
  }

  /** What comes to the socket concerns all its subscriptions. */
  take(event: MailboxEvent): void {
    if (event.type === "closed") this.ended(endingOf(event));
    else if (event.type === "error") this.#channel.post(this, { ...event, connection: this });
    else if (event.type === "info") this.#inform(event.data);
    else if (isControl(event) && this.#channel.runner.hearsPings)
      this.#channel.post(this, { ...event, connection: this }, event.data.length);
  }

  /** It is no target any more: its socket is not, or the channel has ended for it. */
  left(isDiscarded: boolean): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.#alarm?.cancel();
    this.#channel.forget(this, this.#socket, isDiscarded);
    this.#hasCaughtUp();
  }

  /** @param done called once what has come for it by now is handled, or it is no target any more */
  catchUp(done: () => void): void {
    this.#onCaughtUp = done;
    this.#channel.host.catchUp(this.lane);
  }

  caughtUp(): void {
    const { runner } = this.#channel;
    if (runner.caughtUp === undefined) this.#hasCaughtUp();
    else runner.caughtUp(this, () => this.#hasCaughtUp());
  }

  #hasCaughtUp(): void {
    const done = this.#onCaughtUp;
    this.#onCaughtUp = undefined;
    done?.();
  }

  /** The last event: once. */
  ended({ code, reason, wasClean, by }: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.left(false);
    this.#onEnded();
    this.#channel.post(this, { type: "closed", connection: this, code, reason, wasClean, by });
    this.#abortSignal();
  }

  /** What a listener of the signal throws is the handler's, as any other callback that it leaves behind. */
  #abortSignal(): void {
    const abort = this.#abort;
    if (abort !== undefined) runFor(this.leakOwner, () => abort.abort());
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
    this.#rooms.clear();
  }

  /** The silence of a peer whose socket is held, be it by another channel, is ours; so is that of a socket whose messages wait. */
  #onSilence(): void {
    if (this.isHeld || this.#socket.hasWaiting) this.#alarm?.heard();
    else this.#channel.post(this, { type: "idle", connection: this });
  }

  #inform(data: unknown): void {
    if (this.isOpen && !this.forward(data)) this.#channel.host.log.warn({ connection: this.id }, LOST_INFO);
  }

  #endByUs(ending: Ending): boolean {
    if (!this.isOpen) return false;
    // First: what follows may be the socket's own close frame, which waits for the last of its channels.
    this.#channel.sayEnd(this.#socket);
    this.left(true);
    this.ended(ending);
    return true;
  }
}

/** Bytes are read as text only if somebody asks. */
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
