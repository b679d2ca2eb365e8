/**
 * The liveness of a connection: the heartbeat against dead peers, the time of the last sign of life, the round trip of pings, and
 * the idle alarms. The connection creates a `Liveness` at opening, and stops the alarms when the peer or the transport has
 * closed.
 */
import type { Clock } from "../../runtime/clock.js";
import type { Transport } from "../../transport/transport.js";
import type { ConnectionQueue } from "../route/connection-queue.js";
import { Heartbeat, type HeartbeatSettings } from "./heartbeat.js";
import { IdleAlarm } from "./idle-alarm.js";
import type { Receiver } from "./receiver.js";

/** The parts shared by every connection of a route. */
export interface LivenessParts {
  readonly clock: Clock;
  readonly settings: { readonly idleTimeoutMs: number | false; readonly handlerTimeoutMs: number };
  /** The heartbeat of the route; absent if switched off. */
  readonly heartbeat: HeartbeatSettings | undefined;
}

/** The callbacks of the connection. */
export interface LivenessOwner {
  sendHeartbeat(): void;
  /** Called when the peer has given no sign of life in time. */
  readonly ending: { onDead(): void };
  /** The peer has sent no message for the duration given to `connection.idle`. */
  onIdle(): void;
  /** The peer has sent no message for `idleTimeoutMs`. */
  onIdleTimeout(): void;
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

export class Liveness extends Heartbeat {
  readonly #parts: LivenessParts;
  readonly #owner: LivenessOwner;
  readonly #transport: Transport;
  readonly #receiver: Receiver;
  readonly #queue: ConnectionQueue;
  readonly #idleTimeout: IdleAlarm | undefined;
  #idleAlarm: IdleAlarm | undefined;
  #heardAt: number;
  #knownBytes: number;
  #untakenBytes = 0;
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
    this.#startHeartbeat();
    const { idleTimeoutMs } = settings;
    if (idleTimeoutMs === false) return;
    this.#idleTimeout = new IdleAlarm(clock, idleTimeoutMs, () => this.#onIdleTimeout());
    this.#watchMessages();
  }

  protected get clock(): Clock {
    return this.#parts.clock;
  }

  protected get isResting(): boolean {
    return this.#queue.pace?.isResting === true;
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  get pausedAt(): number | undefined {
    return this.#pausedAt;
  }

  /** A ping was sent. */
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

  /** The socket is lost; the session lives on. */
  onAway(): void {
    this.cancel();
    this.#pingedAt = undefined;
  }

  /** The session goes on over a newer socket. A peer that was away was not idle. */
  onSocketChanged(): void {
    this.#heardAt = this.#parts.clock.now();
    this.#knownBytes = this.#transport.bytesRead;
    this.#untakenBytes = 0;
    this.#pingedAt = undefined;
    if (this.#pausedAt !== undefined) this.#pausedAt = this.#heardAt;
    this.#startHeartbeat();
    this.#idleAlarm?.heard();
    this.#idleTimeout?.heard();
  }

  /** Replaces the idle alarm of `connection.idle`; 0 sets none. */
  setIdle(ms: number): void {
    this.#idleAlarm?.cancel();
    this.#idleAlarm = ms === 0 ? undefined : new IdleAlarm(this.#parts.clock, ms, () => this.#onIdleAlarm());
    this.#watchMessages();
  }

  /** Cancels every alarm: the peer or the transport has closed. */
  stop(): void {
    this.cancel();
    this.#idleAlarm?.cancel();
    this.#idleTimeout?.cancel();
  }

  /**
   * Messages are timed on arrival; other bytes are timed when a check of `bytesRead` finds the bytes. Waiting bytes that the socket has
   * taken count too: the answer may come after a long message.
   */
  protected heardAt(): number {
    const receiver = this.#receiver;
    const { bytesRead, untakenBytes } = this.#transport;
    if (receiver.hasHeard) this.#heardAt = Math.max(this.#heardAt, receiver.heardAt);
    else if (bytesRead !== this.#knownBytes || untakenBytes < this.#untakenBytes)
      this.#heardAt = this.#parts.clock.now();
    this.#knownBytes = bytesRead;
    this.#untakenBytes = untakenBytes;
    receiver.hasHeard = false;
    return this.#heardAt;
  }

  protected sendHeartbeat(): void {
    this.#owner.sendHeartbeat();
  }

  protected onDead(): void {
    this.#owner.ending.onDead();
  }

  #startHeartbeat(): void {
    const heartbeat = heartbeatOf(this.#parts, this.#transport);
    if (heartbeat !== undefined) this.watch(heartbeat);
  }

  /** Sets a closure only for the few connections with an alarm. */
  #watchMessages(): void {
    const [alarm, limit] = [this.#idleAlarm, this.#idleTimeout];
    const heard = (): void => {
      alarm?.heard();
      limit?.heard();
    };
    this.#receiver.onMessage = alarm === undefined && limit === undefined ? undefined : heard;
  }

  /** A peer is not idle while our side has paused the socket, or while there is no socket. */
  #onIdleAlarm(): void {
    if (this.#pausedAt === undefined && !this.#transport.isAway) this.#owner.onIdle();
    else this.#idleAlarm?.heard();
  }

  /** A peer is not idle while messages from the peer wait, our side has paused the socket, or there is no socket. */
  #onIdleTimeout(): void {
    if (this.#pausedAt === undefined && this.#queue.messages === 0 && !this.#transport.isAway)
      this.#owner.onIdleTimeout();
    else this.#idleTimeout?.heard();
  }
}
