/**
 * The liveness of a connection: the heartbeat against dead peers, the time of the last sign of life, the round trip of pings, and
 * the idle alarms. Base class of `Receiver`, which hears the peer: an object of its own would cost every silent connection 100 bytes.
 * The connection starts the alarms at opening, and stops the alarms when the peer or the transport has closed.
 */
import type { Clock } from "../../runtime/clock.js";
import type { Turn } from "../../runtime/turn.js";
import type { Transport } from "../../transport/transport.js";
import { Heartbeat, type HeartbeatSettings } from "./heartbeat.js";
import { IdleAlarm } from "./idle-alarm.js";

/** The parts shared by every connection of a route. */
export interface LivenessParts {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly settings: { readonly idleTimeoutMs: number | false; readonly handlerTimeoutMs: number };
  /** The heartbeat of the route; absent if switched off. */
  readonly heartbeat: HeartbeatSettings | undefined;
}

/** The callbacks of the connection. */
export interface LivenessOwner {
  readonly openedAt: number;
  /** The peer is over its budget. */
  readonly isResting: boolean;
  readonly hasWaitingMessages: boolean;
  sendHeartbeat(): void;
  /** Called when the peer has given no sign of life in time. */
  readonly ending: { onDead(): void };
  /** The peer has sent no message for the duration given to `connection.idle`. */
  onIdle(): void;
  /** The peer has sent no message for `idleTimeoutMs`. */
  onIdleTimeout(): void;
}

/** The alarms for a peer that sends no message. */
interface IdleAlarms {
  /** Of `connection.idle`. */
  readonly alarm: IdleAlarm | undefined;
  /** Of `idleTimeoutMs`. */
  readonly limit: IdleAlarm | undefined;
}

/** Patience grows up to this limit. */
const MAX_TIMEOUT_MS = 600_000;

/** A heartbeat of the transport overrides the heartbeat of the route. */
function heartbeatOf({ heartbeat, settings }: LivenessParts, transport: Transport): HeartbeatSettings | undefined {
  if (transport.heartbeat === false) return undefined;
  const own = transport.heartbeat && { ...transport.heartbeat, maxPauseMs: settings.handlerTimeoutMs };
  const found = own ?? heartbeat;
  const { patience = 1 } = transport;
  if (found === undefined || patience === 1) return found;
  const { timeoutMs } = found;
  return { ...found, timeoutMs: Math.max(timeoutMs, Math.min(timeoutMs * patience, MAX_TIMEOUT_MS)) };
}

export abstract class Liveness extends Heartbeat {
  #heardAt: number;
  /** A message has arrived since the heartbeat last asked. */
  #hasHeard = false;
  #knownBytes = 0;
  #untakenBytes = 0;
  #pingedAt: number | undefined;
  #pausedAt: number | undefined;
  #roundTripMs: number | undefined;
  /** Made only for the few connections with an alarm. */
  #idle: IdleAlarms | undefined;

  constructor(openedAt: number) {
    super();
    this.#heardAt = openedAt;
  }

  protected abstract get parts(): LivenessParts;
  protected abstract get owner(): LivenessOwner;
  protected abstract get transport(): Transport;

  protected get clock(): Clock {
    return this.parts.clock;
  }

  protected get isResting(): boolean {
    return this.owner.isResting;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get pausedAt(): number | undefined {
    return this.#pausedAt;
  }

  /** Starts the alarms, at the opening of the connection. */
  startAlarms(): void {
    this.#knownBytes = this.transport.bytesRead;
    this.startHeartbeat();
    const { idleTimeoutMs } = this.parts.settings;
    if (idleTimeoutMs === false) return;
    const limit = new IdleAlarm(this.clock, idleTimeoutMs, () => this.onIdleTimeout());
    this.#idle = { alarm: undefined, limit };
  }

  /** The peer has given a sign of life that is a message. */
  heard(): void {
    // Never back: a pong may have been timed later than the beginning of the turn.
    const now = this.parts.turn.time();
    if (now > this.#heardAt) this.#heardAt = now;
    this.#hasHeard = true;
  }

  /** The peer has sent a message: the wait of the idle alarms starts again. */
  onMessage(): void {
    this.#idle?.alarm?.heard();
    this.#idle?.limit?.heard();
  }

  /** A ping was sent. */
  onPing(): void {
    this.#pingedAt ??= this.clock.now();
  }

  onPong(): void {
    this.#heardAt = this.clock.now();
    this.#knownBytes = this.transport.bytesRead;
    if (this.#pingedAt === undefined) return;
    this.#roundTripMs = this.#heardAt - this.#pingedAt;
    this.#pingedAt = undefined;
  }

  onPaused(): void {
    this.#pausedAt = this.clock.now();
  }

  onResumed(): void {
    this.#pausedAt = undefined;
  }

  /** The socket is lost; the session lives on. */
  onAway(): void {
    this.cancel();
    this.#pingedAt = undefined;
  }

  /** The session goes on over a newer socket. A peer that was away was not idle. */
  onSocketChanged(): void {
    this.#heardAt = this.clock.now();
    this.#knownBytes = this.transport.bytesRead;
    this.#untakenBytes = 0;
    this.#pingedAt = undefined;
    if (this.#pausedAt !== undefined) this.#pausedAt = this.#heardAt;
    this.startHeartbeat();
    this.onMessage();
  }

  /** Replaces the idle alarm of `connection.idle`; 0 sets none. */
  setIdle(ms: number): void {
    this.#idle?.alarm?.cancel();
    const alarm = ms === 0 ? undefined : new IdleAlarm(this.clock, ms, () => this.onIdleAlarm());
    this.#idle = { alarm, limit: this.#idle?.limit };
  }

  /** Cancels every alarm: the peer or the transport has closed. */
  stopAlarms(): void {
    this.cancel();
    this.#idle?.alarm?.cancel();
    this.#idle?.limit?.cancel();
  }

  /**
   * Messages are timed on arrival; other bytes are timed when a check of `bytesRead` finds the bytes. Waiting bytes that the socket has
   * taken count too: the answer may come after a long message.
   */
  protected heardAt(): number {
    const { bytesRead, untakenBytes } = this.transport;
    if (!this.#hasHeard && (bytesRead !== this.#knownBytes || untakenBytes < this.#untakenBytes))
      this.#heardAt = this.clock.now();
    this.#knownBytes = bytesRead;
    this.#untakenBytes = untakenBytes;
    this.#hasHeard = false;
    return this.#heardAt;
  }

  protected sendHeartbeat(): void {
    this.owner.sendHeartbeat();
  }

  protected onDead(): void {
    this.owner.ending.onDead();
  }

  private startHeartbeat(): void {
    const heartbeat = heartbeatOf(this.parts, this.transport);
    if (heartbeat !== undefined) this.watch(heartbeat);
  }

  /** A peer is not idle while our side has paused the socket, or while there is no socket. */
  private onIdleAlarm(): void {
    if (this.#pausedAt === undefined && !this.transport.isAway) this.owner.onIdle();
    else this.#idle?.alarm?.heard();
  }

  /** A peer is not idle while messages from the peer wait, our side has paused the socket, or there is no socket. */
  private onIdleTimeout(): void {
    if (this.#pausedAt === undefined && !this.owner.hasWaitingMessages && !this.transport.isAway)
      this.owner.onIdleTimeout();
    else this.#idle?.limit?.heard();
  }
}
