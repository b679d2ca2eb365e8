/**
 * One connection: the object given to handlers, with a receiver and a sender. The route creates a connection for each accepted
 * peer; the connection ends when the transport has closed and the `closed` event has been handled.
 */
import type { AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import type { Place } from "../../admission/connection-limits.js";
import { checkCloseCode, cutReason, FLOOD, IDLE, NORMAL, SLOW_CONSUMER } from "../../api/close-codes.js";
import type { ConnectionId, Data, TransportName } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import type { FollowFrom, FollowResult } from "../../api/follow.js";
import { controlPayload } from "../../transport/frame.js";
import type { Transport } from "../../transport/transport.js";
import { checkDuration, checkRoom } from "../route/checks.js";
import type { ConnectionQueue, QueueOwner } from "../route/connection-queue.js";
import type { Member } from "../route/member.js";
import { abortFor, createAbort } from "./abort.js";
import { ConnectionEnd } from "./connection-end.js";
import type { ConnectionParts } from "./connection-parts.js";
import { ANNOUNCED, DROPPED_BYTES, STOPPED_RECEIVING } from "./connection-states.js";
import { EventOwner } from "./event-owner.js";
import { HEARTBEAT } from "./heartbeat.js";
import type { Pacing } from "./pacing.js";
import { Receiver, type ReceiverOwner } from "./receiver.js";
import { ConnectionFacts } from "./request-facts.js";
import { joinRoom, leaveRoom, RoomNames } from "./room-names.js";
import { Sender } from "./sender.js";
import type { SenderOwner } from "./sender-parts.js";

type Parts = ConnectionParts<LiveConnection>;
const NO_PAYLOAD = Buffer.alloc(0);

export class LiveConnection extends ConnectionFacts implements Member, QueueOwner, ReceiverOwner, SenderOwner {
  /** A read-only property: bytecode of a getter would run for every message that a handler sends. */
  declare readonly id: ConnectionId;
  readonly outbox: Sender;
  readonly receiver: Receiver;
  readonly place: Place;
  readonly #parts: Parts;
  readonly #transport: Transport;
  /** Absent while the connection is silent: the queue would be a thirtieth of all that such a connection takes. */
  #queue: ConnectionQueue | undefined;
  readonly #openedAt: number;
  #rooms: RoomNames | undefined;
  #abort: AbortController | undefined;
  #ending: ConnectionEnd | undefined;
  #states = 0;
  /** How many callers have paused the socket. */
  #pauses = 0;

  constructor(parts: Parts, accepted: AcceptedUpgrade, transport: Transport) {
    super(accepted);
    this.#parts = parts;
    this.place = accepted.takePlace();
    this.#transport = transport;
    Object.defineProperty(this, "id", { value: parts.newId(), enumerable: true });
    this.#openedAt = parts.clock.now();
    // No closures, shared state in `parts`, and `private` methods, since those with `#` take a field: these objects exist for each connection.
    this.outbox = new Sender(parts, this, transport);
    this.receiver = new Receiver(parts, this, transport);
    this.receiver.startAlarms();
  }

  get leakOwner(): EventOwner {
    return new EventOwner(this.#parts, this.id);
  }
  get openedAt(): number {
    return this.#openedAt;
  }
  get transport(): TransportName {
    return this.#transport.name;
  }
  get roundTripMs(): number | undefined {
    return this.receiver.roundTripMs;
  }
  get bufferedAmount(): number {
    return this.outbox.bufferedBytes;
  }
  get isOpen(): boolean {
    return this.outbox.isOpen;
  }
  get isAway(): boolean {
    return this.#transport.isAway === true && this.outbox.isOpen;
  }
  get isPaused(): boolean {
    return this.#pauses > 0;
  }
  get queue(): ConnectionQueue {
    this.#queue ??= this.#parts.createQueue(this);
    return this.#queue;
  }
  get hasWaitingMessages(): boolean {
    return this.#queue !== undefined && this.#queue.messages > 0;
  }
  get isResting(): boolean {
    return this.#queue?.pace?.isResting === true;
  }
  get isTarget(): boolean {
    return (this.#states & ANNOUNCED) !== 0 && this.outbox.isOpen;
  }
  get rooms(): ReadonlySet<string> {
    this.#rooms ??= new RoomNames();
    return this.#rooms;
  }
  get ending(): ConnectionEnd {
    this.#ending ??= new ConnectionEnd(this.#parts, {
      connection: this,
      transport: this.#transport,
      outbox: this.outbox,
      receiver: this.receiver,
      queue: this.queue,
      unregister: (isDiscarded, closed) => this.unregister(isDiscarded, closed),
      abortSignal: () => this.abortSignal(),
      place: this.place,
    });
    return this.#ending;
  }
  get signal(): AbortSignal {
    this.#abort ??= createAbort(!this.isOpen);
    return this.#abort.signal;
  }

  send(data: Data): boolean {
    return this.#parts.bus.reply(data, this);
  }

  ping(data: Data = NO_PAYLOAD): boolean {
    const payload = controlPayload(data);
    if (!this.takesControlFrames) return false;
    this.receiver.onPing();
    // The ping bypasses the outbox: flush first, so earlier messages precede the ping unless the socket is full.
    this.outbox.flush();
    this.#transport.ping(payload);
    return true;
  }

  pong(data: Data = NO_PAYLOAD): boolean {
    const payload = controlPayload(data);
    if (!this.takesControlFrames) return false;
    this.outbox.flush();
    this.#transport.pong(payload);
    return true;
  }

  close(code: number = NORMAL.code, reason: string = NORMAL.reason): boolean {
    checkCloseCode(code);
    return this.ending.close(code, cutReason(reason));
  }

  terminate(): boolean {
    return this.ending.terminate();
  }

  join(room: string): boolean {
    checkRoom(room);
    const { settings, population } = this.#parts;
    this.#rooms ??= new RoomNames();
    if (!this.isOpen || this.#rooms.size >= settings.maxRoomsPerConnection) return false;
    return joinRoom(this, this.#rooms, population, room);
  }

  leave(room: string): boolean {
    checkRoom(room);
    return this.isOpen && this.#rooms !== undefined && leaveRoom(this, this.#rooms, this.#parts.population, room);
  }

  follow(room: string, from: FollowFrom): Promise<FollowResult> {
    return this.#parts.bus.follow(this, room, from);
  }

  show(info: unknown): boolean {
    return this.#parts.bus.show(this, info);
  }

  idle(ms: number): boolean {
    checkDuration("connection.idle", ms);
    if (this.isOpen) this.receiver.setIdle(ms);
    return this.isOpen;
  }

  tell(data: unknown): boolean {
    return this.#parts.mailbox.post(this.queue, { type: "info", data, connection: this });
  }

  forward(data: unknown): boolean {
    return this.#parts.mailbox.forward(this.queue, { type: "info", data, connection: this });
  }

  pause(): void {
    if (this.#pauses++ > 0) return;
    this.receiver.onPaused();
    this.#transport.pause();
  }

  resume(): void {
    if (--this.#pauses > 0) return;
    this.receiver.onResumed();
    if ((this.#states & STOPPED_RECEIVING) === 0) this.#transport.resume();
  }

  announce(): void {
    this.#states |= ANNOUNCED;
    this.#parts.population.onAnnounced();
  }

  caughtUp(): void {
    this.#parts.caughtUp(this, () => this.ending.answerClose());
  }

  onOpenHandled(): void {
    if (this.#ending === undefined && this.#queue?.isAsNew) this.#queue = undefined;
  }

  onClosedHandled(): void {
    this.queue.pace?.leave();
    this.#rooms?.unregisterAll();
    this.#parts.mirror.stop(this.receiver, this.outbox);
    this.#parts.population.unregister(this);
  }

  onPong(data: Buffer): boolean {
    this.receiver.onPong();
    return !data.equals(HEARTBEAT);
  }

  onDrained(): void {
    this.outbox.onDrained();
  }

  onFlooded(): void {
    if (!this.close(FLOOD.code, FLOOD.reason)) return;
    const { log, settings } = this.#parts;
    log.warn({ connection: this.id, maxBytes: settings.mailbox.maxBytes }, "too much at once while paused");
  }

  onSlowConsumer(): void {
    const { slowConsumer } = this.#parts.settings.outbox;
    const facts = { connection: this.id, bufferedAmount: this.bufferedAmount, policy: slowConsumer };
    this.#parts.log.warn(facts, "slow consumer");
    if (slowConsumer === "close") this.close(SLOW_CONSUMER.code, SLOW_CONSUMER.reason);
  }

  /** Logs the first drop only: a handler that sends bytes to a text-only transport does so again and again. */
  onBytesDropped(): void {
    if ((this.#states & DROPPED_BYTES) === 0)
      this.#parts.log.warn({ connection: this.id, transport: this.transport }, "bytes cannot be sent here");
    this.#states |= DROPPED_BYTES;
  }

  /** The socket is lost; the session lives on. */
  onAway(pacing: Pacing): void {
    this.receiver.onAway();
    this.outbox.pace(pacing);
    this.receiver.postAway();
    this.#parts.bus.presence?.onAwayOrBack(this);
    this.#parts.log.info({ connection: this.id }, "connection away");
  }

  /** The session goes on over a newer socket. */
  onSocketChanged(pacing: Pacing): void {
    this.receiver.onSocketChanged();
    this.#parts.bus.presence?.onAwayOrBack(this);
    this.outbox.pace(pacing);
  }

  sendHeartbeat(): void {
    this.ping(HEARTBEAT);
  }

  onIdle(): void {
    this.receiver.postIdle();
  }

  onIdleTimeout(): void {
    this.close(IDLE.code, IDLE.reason);
  }

  /** The server is closing: accepts nothing more from the peer. */
  stopReceiving(): void {
    this.#states |= STOPPED_RECEIVING;
    // From here on the close timeout applies in place of the heartbeat: answers of a paused peer are not read.
    this.receiver.cancel();
    this.receiver.stop();
    // A closing connection must still read the peer's close frame.
    if (this.#transport.isOpen) this.#transport.pause();
    this.#transport.stopReceiving?.();
  }

  private get takesControlFrames(): boolean {
    return this.isOpen && !this.#transport.isAway && this.#transport.hasPings !== false;
  }

  private abortSignal(): void {
    abortFor(this.leakOwner, this.#abort);
  }

  private unregister(isDiscarded: boolean, { code, by }: Pick<Ending, "code" | "by">): void {
    if (this.#parts.population.startClosing(this)) this.#parts.counters.countClosed(code, by);
    this.#parts.onClosing(this, this.queue, isDiscarded);
  }
}
