/**
 * The signs of life of one connection: the heartbeat that finds it dead, when it was last heard, the round trip of its pings
 * and the alarms for its silence. Its connection tells what arrives, and is told what follows.
 */

import type { RouteSettings } from "../../options/server-options.js";
import type { Clock } from "../../runtime/clock.js";
import type { Transport } from "../../transport/transport.js";
import type { ConnectionQueue } from "../route/mailbox.js";
import { Heartbeat, type HeartbeatSettings } from "./heartbeat.js";
import { IdleAlarm } from "./idle-alarm.js";

/** What all connections of a route have in common. */
export interface LivenessParts {
  readonly clock: Clock;
  readonly settings: RouteSettings;
  /** How their peers are watched, if at all. */
  readonly heartbeat: HeartbeatSettings | undefined;
}

/** Whose life it is. */
export interface LivenessOwner {
  sendHeartbeat(): void;
  /** Nothing was heard of it in time. */
  died(): void;
  /** It has sent no message for as long as `connection.idle` asked, or as `idleTimeoutMs` allows. */
  fellSilent(): void;
  fellSilentTooLong(): void;
}

/** As the wire has it, or as the route has for all. */
function heartbeatOf({ heartbeat, settings }: LivenessParts, wire: Transport): HeartbeatSettings | undefined {
  if (wire.heartbeat === undefined) return heartbeat;
  return wire.heartbeat === false ? undefined : { ...wire.heartbeat, maxPauseMs: settings.handlerTimeoutMs };
}

export class Liveness extends Heartbeat {
  readonly #parts: LivenessParts;
  readonly #owner: LivenessOwner;
  readonly #wire: Transport;
  readonly #lane: ConnectionQueue;
  readonly #limit: IdleAlarm | undefined;
  #alarm: IdleAlarm | undefined;
  #heardAt: number;
  #knownBytes: number;
  #pingedAt: number | undefined;
  #pausedAt: number | undefined;
  #roundTripMs: number | undefined;

  constructor(parts: LivenessParts, owner: LivenessOwner, wire: Transport, lane: ConnectionQueue) {
    super();
    const { clock, settings } = parts;
    this.#parts = parts;
    this.#owner = owner;
    this.#wire = wire;
    this.#lane = lane;
    this.#heardAt = clock.now();
    this.#knownBytes = wire.bytesRead;
    const heartbeat = heartbeatOf(parts, wire);
    if (heartbeat !== undefined) this.watch(heartbeat);
    const { idleTimeoutMs } = settings;
    if (idleTimeoutMs !== false) this.#limit = new IdleAlarm(clock, idleTimeoutMs, () => this.#onLimit());
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

  /** A message has come. */
  heard(): void {
    this.#hear();
    this.#alarm?.heard();
    this.#limit?.heard();
  }

  /** A ping has gone out. */
  pinged(): void {
    this.#pingedAt ??= this.#parts.clock.now();
  }

  ponged(): void {
    this.#hear();
    if (this.#pingedAt === undefined) return;
    this.#roundTripMs = this.#heardAt - this.#pingedAt;
    this.#pingedAt = undefined;
  }

  paused(): void {
    this.#pausedAt = this.#parts.clock.now();
  }

  resumed(): void {
    this.#pausedAt = undefined;
  }

  /** Sets the alarm for silence; 0 ends it. */
  setIdle(ms: number): void {
    this.#alarm?.cancel();
    this.#alarm = ms === 0 ? undefined : new IdleAlarm(this.#parts.clock, ms, () => this.#onAlarm());
  }

  /** The connection is gone. */
  end(): void {
    this.cancel();
    this.#alarm?.cancel();
    this.#limit?.cancel();
  }

  protected heardAt(): number {
    if (this.#wire.bytesRead !== this.#knownBytes) this.#hear();
    return this.#heardAt;
  }

  protected sendHeartbeat(): void {
    this.#owner.sendHeartbeat();
  }

  protected giveUp(): void {
    this.#owner.died();
  }

  #hear(): void {
    this.#heardAt = this.#parts.clock.now();
    this.#knownBytes = this.#wire.bytesRead;
  }

  /** The silence of a peer that we have paused is ours. */
  #onAlarm(): void {
    if (this.#pausedAt === undefined) this.#owner.fellSilent();
    else this.#alarm?.heard();
  }

  /** Nobody is idle whose messages wait, or whom we have paused. */
  #onLimit(): void {
    if (this.#pausedAt === undefined && this.#lane.messages === 0) this.#owner.fellSilentTooLong();
    else this.#limit?.heard();
  }
}
