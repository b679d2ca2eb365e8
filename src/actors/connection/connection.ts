/**
 * One connection: the object that handlers get, with its receiver and its sender. Made by the route when a transport brings
 * a peer; ends when its wire is gone and its `closed` has been handled.
 */

import type { AcceptedUpgrade } from "../../admission/accepted-upgrade.js";
import type { Release } from "../../admission/connection-limits.js";
import {
  ABNORMAL,
  type CloseReason,
  checkCloseCode,
  cutReason,
  FLOOD,
  HANDLER_FAILED,
  IDLE,
  NORMAL,
  protocolErrorCode,
  SLOW_CONSUMER,
} from "../../api/close-codes.js";
import type { ClosedBy, ConnectionData, ConnectionId, Data, TransportName } from "../../api/connection.js";
import type { Ending } from "../../api/events.js";
import type { Timer } from "../../runtime/clock.js";
import { ReleasableOwner, runFor } from "../../runtime/unhandled-rejections.js";
import type { Frame } from "../../transport/frame.js";
import { controlPayload } from "../../transport/frame.js";
import type { Transport, TransportListener } from "../../transport/transport.js";
import { deliver } from "../inspection/object-logic.js";
import { checkDuration, checkRoom, ownName } from "../route/bus.js";
import type { ConnectionQueue, QueueOwner } from "../route/mailbox.js";
import type { Member, Outcome } from "../route/member.js";
import type { RouteParts } from "../route/route.js";
import { Liveness, type LivenessOwner } from "./liveness.js";
import { Receiver, type ReceiverActor, type ReceiverEvent, type ReceiverOwner, receiverLogic } from "./receiver.js";
import { ConnectionFacts } from "./request-facts.js";
import { Sender, type SenderActor, type SenderOwner, senderLogic } from "./sender.js";

const NO_PAYLOAD = Buffer.alloc(0);
/** What the heartbeat's pings carry, so that their pongs are known. */
const HEARTBEAT = Buffer.from("heartbeat");

/** Nobody has given it data: an empty object is made for who asks. */
const NO_DATA = Symbol("no data");

export class LiveConnection
  extends ConnectionFacts
  implements Member, TransportListener, QueueOwner, ReceiverOwner, SenderOwner, LivenessOwner
{
  readonly id: ConnectionId;
  readonly openedAt: number;
  #data: unknown;
  readonly #route: RouteParts;
  readonly #release: Release;
  readonly #wire: Transport;
  readonly #lane: ConnectionQueue;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #liveness: Liveness;
  #rooms: Set<string> | undefined;
  #abort: AbortController | undefined;
  #deadline: Timer | undefined;
  #isAnnounced = false;
  /** Outlives this object in what the handler leaves behind, and lets go of it at the end. */
  readonly leakOwner: ReleasableOwner<LiveConnection>;
  /** Our side has not begun to close it. */
  #isLive = true;
  #isGone = false;
  #isCut = false;
  #hasStoppedReceiving = false;
  #hasDroppedBytes = false;
  /** How many have paused its socket. */
  #holds = 0;
  /** Its socket or the protocol. */
  #hasFailed = false;
  /** What our side closed it with, and what `closed` is to say of it. */
  #closedWith: { readonly code: number; readonly reason: string; readonly by: ClosedBy } | undefined;
  /** The close frame that is to answer the peer's, or its broken bytes, once what came before is handled. */
  #answer: CloseReason | undefined;

  constructor(route: RouteParts, entry: AcceptedUpgrade, wire: Transport) {
    super(entry);
    this.#route = route;
    this.#release = entry.release;
    this.#wire = wire;
    this.id = route.newId();
    this.#data = entry.data ?? NO_DATA;
    this.openedAt = route.clock.now();
    this.leakOwner = new ReleasableOwner<LiveConnection>(this, route.clock, route.leaked);
    this.#lane = route.lane(this);
    // No closures, and what is the same for all is the route's: each object here is there once for each silent connection.
    this.#sender = new Sender(route, this, wire);
    this.#receiver = new Receiver(route, this, this.#lane);
    this.#liveness = new Liveness(route, this, wire, this.#lane);
    if (route.inspection.isOn) this.appear();
  }

  /** The first event; after the route knows it. */
  open(): void {
    this.#tell({ type: "opened" });
  }

  /** Its actors can be seen from now on. */
  appear(): void {
    this.#sender.appear();
    this.#receiver.appear();
  }

  senderActor(): SenderActor {
    return this.#route.supervisor.spawn(senderLogic, `sender:${this.id}`, this.#sender);
  }

  receiverActor(): ReceiverActor {
    return this.#route.supervisor.spawn(receiverLogic, `receiver:${this.id}`, this.#receiver);
  }

  sendHeartbeat(): void {
    this.ping(HEARTBEAT);
  }

  died(): void {
    // A peer that has ended its half of the socket and reads nothing keeps it from closing.
    if (!this.#cut("lost")) this.#wire.terminate();
  }

  fellSilent(): void {
    this.#tell({ type: "idle" });
  }

  fellSilentTooLong(): void {
    this.close(IDLE.code, IDLE.reason);
  }

  // Whatever the user's authorize has returned; how it is typed is between the options and the handler.
  get data(): ConnectionData {
    if (this.#data === NO_DATA) this.#data = {};
    return this.#data as ConnectionData;
  }
  set data(data: ConnectionData) {
    this.#data = data;
  }
  get transport(): TransportName {
    return this.#wire.name;
  }
  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs;
  }
  get bufferedAmount(): number {
    return this.#sender.bufferedBytes;
  }
  get isOpen(): boolean {
    return this.#isLive && this.#wire.isOpen;
  }
  get isHeld(): boolean {
    return this.#holds > 0;
  }
  get hasWaiting(): boolean {
    return this.#lane.messages > 0;
  }
  get isTarget(): boolean {
    return this.#isAnnounced && this.isOpen;
  }
  get rooms(): ReadonlySet<string> {
    this.#rooms ??= new Set();
    return this.#rooms;
  }
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (!this.isOpen) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  send(data: Data): boolean {
    return this.#route.bus.unicast(data, this).queued === 1;
  }

  ping(data: Data = NO_PAYLOAD): boolean {
    const payload = controlPayload(data);
    if (!this.isOpen || this.#wire.hasPings === false) return false;
    this.#liveness.pinged();
    // It goes past the outbox: after what was sent before it, unless that has to wait for the socket.
    this.#sender.flush();
    this.#wire.ping(payload);
    return true;
  }

  pong(data: Data = NO_PAYLOAD): boolean {
    const payload = controlPayload(data);
    if (!this.isOpen || this.#wire.hasPings === false) return false;
    this.#sender.flush();
    this.#wire.pong(payload);
    return true;
  }

  close(code: number = NORMAL.code, reason: string = NORMAL.reason): boolean {
    checkCloseCode(code);
    if (!this.#shut(code, cutReason(reason), "server")) return false;
    this.#sendClose(code, cutReason(reason));
    return true;
  }

  terminate(): boolean {
    if (this.#isGone || this.#isCut) return false;
    // One that is being closed has been taken leave of already, but its socket is still there to be cut.
    if (!this.#cut("server")) this.#wire.terminate();
    this.#isCut = true;
    return true;
  }

  join(room: string): boolean {
    checkRoom(room);
    if (!this.isOpen || this.rooms.has(room) || this.rooms.size >= this.#route.settings.maxRoomsPerConnection)
      return false;
    const name = ownName(room);
    this.#rooms?.add(name);
    this.#route.registry.join(this, name);
    return true;
  }

  leave(room: string): boolean {
    checkRoom(room);
    if (!this.isOpen || !this.#rooms?.delete(room)) return false;
    this.#route.registry.leave(this, room);
    return true;
  }

  idle(ms: number): boolean {
    checkDuration("connection.idle", ms);
    if (!this.isOpen) return false;
    this.#liveness.setIdle(ms);
    return true;
  }

  offer(frame: Frame): Outcome {
    if (!this.isOpen) return "dead";
    if (typeof frame.data !== "string" && this.#wire.isTextOnly === true) return this.#dropBytes();
    return this.#sender.offer(frame);
  }

  tell(data: unknown): boolean {
    const posted = this.#route.mailbox.post(this.#lane, { type: "info", data, connection: this });
    if (posted) this.#route.wake();
    return posted;
  }

  forward(data: unknown): boolean {
    const posted = this.#route.mailbox.forward(this.#lane, { type: "info", data, connection: this });
    if (posted) this.#route.wake();
    return posted;
  }

  message(data: string | Buffer, bytes: number): void {
    this.#liveness.heard();
    this.#tell({ type: "message", data, bytes });
  }

  pinged(data: Buffer): void {
    if (this.#route.hearsPings) this.#tell({ type: "ping", data: Buffer.from(data) });
  }

  ponged(data: Buffer): void {
    this.#liveness.ponged();
    // The heartbeat's are ours.
    if (this.#route.hearsPings && !data.equals(HEARTBEAT)) this.#tell({ type: "pong", data: Buffer.from(data) });
  }

  drained(): void {
    this.#sender.drained();
  }

  flooded(): void {
    // Once the server stops nothing more is taken, so nothing more is held.
    if (this.#hasStoppedReceiving || !this.close(FLOOD.code, FLOOD.reason)) return;
    const { log, settings } = this.#route;
    log.warn({ connection: this.id, maxBytes: settings.mailbox.maxBytes }, "too much at once while paused");
  }

  failed(error: Error): void {
    const code = protocolErrorCode(error);
    this.#hasFailed = true;
    // A fault that the wire does not conclude with.
    if (code !== undefined) this.#closedWith ??= { code, reason: "", by: "server" };
    this.#tell({ type: "failed", error });
  }

  /**
   * The peer has closed, or broken the protocol. What came before is handled first and the replies are written (contract 11), for
   * `closeTimeoutMs` at most; then our close frame answers.
   */
  concluded(code: number, reason: string, isFault: boolean): void {
    this.#liveness.end();
    // Our own close frame is under way, and is the answer.
    if (!this.isOpen) return;
    this.#answer = { code, reason };
    this.#closedWith = { code, reason, by: isFault ? "server" : "peer" };
    this.#deadline = this.#route.clock.after(this.#route.settings.closeTimeoutMs, () => {
      // Its wire cannot answer any more: the peer has ended its half, and takes nothing of what was sent before.
      if (!this.isOpen) this.#wire.terminate();
      this.#answerClose();
    });
    this.#route.catchUp(this.#lane);
  }

  caughtUp(): void {
    this.#route.caughtUp(this, () => this.#answerClose());
  }

  onTransportClosed(code: number, reason: string): void {
    this.#isLive = false;
    this.#isGone = true;
    this.#route.unregister(this, this.#lane, false);
    this.#liveness.end();
    this.#deadline?.cancel();
    this.#sender.end();
    this.#route.mailbox.unpause(this.#lane);
    const ending = this.#ending(code, reason);
    const { log } = this.#route;
    if (ending.by === "lost") log.warn({ connection: this.id, ...ending }, "connection lost");
    else if (this.#hasFailed) log.warn({ connection: this.id, ...ending }, "connection failed");
    else log.info({ connection: this.id, ...ending }, "connection closed");
    if (this.#hasReceiver) this.#tell({ type: "gone", ending });
    else this.#sayClosed(ending);
    this.#abortSignal();
    this.#release();
  }

  pause(): void {
    if (this.#holds++ > 0) return;
    this.#liveness.paused();
    this.#wire.pause();
  }

  resume(): void {
    if (--this.#holds > 0) return;
    this.#liveness.resumed();
    if (!this.#hasStoppedReceiving) this.#wire.resume();
  }

  announce(): void {
    this.#isAnnounced = true;
  }

  onClosedHandled(): void {
    this.leakOwner.release();
    this.#rooms?.clear();
    const actors = [this.#receiver.actor, this.#sender.actor].filter((actor) => actor !== undefined);
    if (actors.length > 0) this.#route.supervisor.release(actors);
    this.#route.onClosedHandled(this);
  }

  /** The server stops: takes no more from the peer. */
  stopReceiving(): void {
    this.#hasStoppedReceiving = true;
    // From here on it is closing that is timed: what a paused peer answers is not seen.
    this.#liveness.cancel();
    this.#stopReceiver();
    // One that is being closed must still read its peer's close frame.
    if (this.#wire.isOpen) this.#wire.pause();
  }

  /** One of its actors failed, which is a fault of ours: it alone ends, past the actor that may be dead. */
  crash(): void {
    const { code, reason } = HANDLER_FAILED;
    if (!this.#shut(code, reason, "server")) return;
    this.#awaitEnd();
    this.#wire.close(code, reason);
    this.#wire.resume();
  }

  /** What a listener of the signal throws is the handler's, as any other callback that it leaves behind. */
  #abortSignal(): void {
    const abort = this.#abort;
    if (abort !== undefined) runFor(this.leakOwner, () => abort.abort());
  }

  /** It has not crashed. */
  get #hasReceiver(): boolean {
    const { actor } = this.#receiver;
    return actor === undefined || actor.getSnapshot().status === "active";
  }

  #stopReceiver(): void {
    if (this.#hasReceiver) this.#tell({ type: "deafen" });
  }

  #tell(event: ReceiverEvent): void {
    deliver(this.#receiver, event);
  }

  /** Said once: a handler that sends bytes sends many. */
  #dropBytes(): Outcome {
    const { counters, log } = this.#route;
    counters.dropped++;
    if (!this.#hasDroppedBytes)
      log.warn({ connection: this.id, transport: this.transport }, "bytes cannot be sent here");
    this.#hasDroppedBytes = true;
    return "dropped";
  }

  becomeSlow(): void {
    const { log, settings } = this.#route;
    log.warn(
      { connection: this.id, bufferedAmount: this.bufferedAmount, policy: settings.outbox.slowConsumer },
      "slow consumer",
    );
    if (settings.outbox.slowConsumer === "close") this.close(SLOW_CONSUMER.code, SLOW_CONSUMER.reason);
  }

  #cut(by: ClosedBy): boolean {
    if (!this.#shut(ABNORMAL, "", by)) return false;
    this.#wire.terminate();
    return true;
  }

  /** In place of a receiver that has crashed: the handler is told that the connection has ended, whatever happens. */
  #sayClosed({ code, reason, wasClean, by }: Ending): void {
    this.#route.mailbox.post(this.#lane, { type: "closed", connection: this, code, reason, wasClean, by });
    this.#route.wake();
  }

  /** From here on it is no target and no member, and what still waits from it is discarded. */
  #shut(code: number, reason: string, by: ClosedBy): boolean {
    if (!this.isOpen) return false;
    this.#isLive = false;
    // A peer that has closed first has ended the connection, whatever our side does then.
    if (this.#closedWith?.by !== "peer") this.#closedWith = { code, reason, by };
    this.#stopReceiver();
    this.#route.unregister(this, this.#lane, true);
    return true;
  }

  #answerClose(): void {
    const answer = this.#answer;
    if (answer === undefined || !this.isOpen) return;
    this.#isLive = false;
    this.#route.unregister(this, this.#lane, false);
    this.#sendClose(answer.code, answer.reason);
  }

  #sendClose(code: number, reason: string): void {
    this.#awaitEnd();
    this.#sender.close(code, reason);
  }

  /** Our close frame goes out: from now on the peer has `closeTimeoutMs` to end the connection. */
  #awaitEnd(): void {
    this.#answer = undefined;
    this.#deadline?.cancel();
    this.#deadline = this.#route.clock.after(this.#route.settings.closeTimeoutMs, () => this.#wire.terminate());
  }

  #ending(code: number, reason: string): Ending {
    // A close frame of the peer that our side has not answered makes no clean end.
    const wasClean = code !== ABNORMAL && this.#answer === undefined;
    const by = this.#closedWith?.by ?? (wasClean ? "peer" : "lost");
    if (wasClean || this.#closedWith === undefined) return { code, reason, wasClean, by };
    return { code: this.#closedWith.code, reason: this.#closedWith.reason, wasClean, by };
  }
}
