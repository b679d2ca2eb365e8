/**
 * The signs of life of one connection: the heartbeat that finds the peer dead, when the peer was last heard, the round trip of pings,
 * and the alarms for silence. The connection owns a `Liveness` from its opening to the end of the transport.
 */
import type { Clock } from "../../runtime/clock.js";
import type { Transport } from "../../transport/transport.js";
import type { ConnectionQueue } from "../route/connection-queue.js";
import { Heartbeat, type HeartbeatSettings } from "./heartbeat.js";
import { IdleAlarm } from "./idle-alarm.js";
import type { Receiver } from "./receiver.js";

/** What all connections of a route have in common. */
export interface LivenessParts {
  readonly clock: Clock;
  readonly settings: { readonly idleTimeoutMs: number | false; readonly handlerTimeoutMs: number };
  /** How peers are watched, if at all. */
  readonly heartbeat: HeartbeatSettings | undefined;
}

/** The connection, told what its signs of life say. */
export interface LivenessOwner {
  sendHeartbeat(): void;
  /** Told that the peer gave no sign of life in time. */
  readonly ending: { onDead(): void };
  /** The peer has sent no message for as long as `connection.idle` asked. */
  onSilent(): void;
  /** The peer has sent no message for as long as `idleTimeoutMs` allows. */
  onSilentTooLong(): void;
}

/** The transport's own way of watching the peer, or the route's. */
function heartbeatOf({ heartbeat, settings }: LivenessParts, transport: Transport): HeartbeatSettings | undefined {
  if (transport.heartbeat === undefined) return heartbeat;
  if (transport.heartbeat === false) return undefined;
  return { ...transport.heartbeat, maxPauseMs: settings.handlerTimeoutMs };
}

export class Liveness extends Heartbeat {
  readonly #parts: LivenessParts;
  readonly #owner: LivenessOwner;
  readonly #transport: Transport;
  readonly #receiver: Receiver;
  readonly #queue: ConnectionQueue;
  readonly #limit: IdleAlarm | undefined;
  #alarm: IdleAlarm | undefined;
  #heardAt: number;
  #knownBytes: number;
  #pingedAt: number | undefined;
  #pausedAt: number | undefined;
  #roundTripMs: number | undefined;

  constructor(
    parts: LivenessParts,
    owner: LivenessOwner,
    transport: Transport,
    receiver: Receiver,
    queue: ConnectionQueue,
  ) {
    super();
    const { clock, settings } = parts;
    this.#parts = parts;
    this.#owner = owner;
    this.#transport = transport;
    this.#receiver = receiver;
    this.#queue = queue;
    this.#heardAt = receiver.heardAt;
    this.#knownBytes = transport.bytesRead;
    const heartbeat = heartbeatOf(parts, transport);
    if (heartbeat !== undefined) this.watch(heartbeat);
    const { idleTimeoutMs } = settings;
    if (idleTimeoutMs === false) return;
    this.#limit = new IdleAlarm(clock, idleTimeoutMs, () => this.#onLimit());
    this.#watchMessages();
  }

  protected get clock(): Clock {
    return this.#parts.clock;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get pausedAt(): number | undefined {
    return this.#pausedAt;
  }

  /** A ping has gone out. */
  onPing(): void {
    this.#pingedAt ??= this.#parts.clock.now();
  }

  onPong(): void {
    this.#heardAt = this.#parts.clock.now();
    this.#knownBytes = this.#transport.bytesRead;
    if (this.#pingedAt === undefined) return;
    this.#roundTripMs = this.#heardAt - this.#pingedAt;
    this.#pingedAt = undefined;
  }

  onPaused(): void {
    this.#pausedAt = this.#parts.clock.now();
  }

  onResumed(): void {
    this.#pausedAt = undefined;
  }

  /** Sets the alarm for silence; 0 ends it. */
  setIdle(ms: number): void {
    this.#alarm?.cancel();
    this.#alarm = ms === 0 ? undefined : new IdleAlarm(this.#parts.clock, ms, () => this.#onAlarm());
    this.#watchMessages();
  }

  /** The connection has gone. */
  stop(): void {
    this.cancel();
    this.#alarm?.cancel();
    this.#limit?.cancel();
  }

  /** A message tells its own time; other bytes count as heard when they are noticed. */
  protected heardAt(): number {
    const { heardAt } = this.#receiver;
    const { bytesRead } = this.#transport;
    const hasMessage = heardAt > this.#heardAt;
    if (hasMessage) this.#heardAt = heardAt;
    else if (bytesRead !== this.#knownBytes) this.#heardAt = this.#parts.clock.now();
    this.#knownBytes = bytesRead;
    return this.#heardAt;
  }

  protected sendHeartbeat(): void {
    this.#owner.sendHeartbeat();
  }

  protected onDead(): void {
    this.#owner.ending.onDead();
  }

  /** A closure for the few connections with an alarm, none for the others. */
  #watchMessages(): void {
    const [alarm, limit] = [this.#alarm, this.#limit];
    const heard = (): void => {
      alarm?.heard();
      limit?.heard();
    };
    this.#receiver.onMessage = alarm === undefined && limit === undefined ? undefined : heard;
  }

  /** The silence of a peer that our side has paused is ours. */
  #onAlarm(): void {
    if (this.#pausedAt === undefined) this.#owner.onSilent();
    else this.#alarm?.heard();
  }

  /** A peer is not silent while its messages wait, or our side has paused the socket. */
  #onLimit(): void {
    if (this.#pausedAt === undefined && this.#queue.messages === 0) this.#owner.onSilentTooLong();
    else this.#limit?.heard();
  }
}
