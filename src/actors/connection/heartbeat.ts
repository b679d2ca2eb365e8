/**
 * Detects dead peers: pings a connection after `intervalMs` of silence, and reports the peer dead if nothing arrives within
 * `timeoutMs` after the ping. Any received data is a sign of life, so a busy connection is never pinged. Base class of
 * `Liveness`; runs until `cancel`.
 */
import { Alarm, type Clock } from "../../runtime/clock.js";

/** The payload of heartbeat pings, which tells their pongs from answers to a program's own pings. */
export const HEARTBEAT: Buffer = Buffer.from("heartbeat");

export interface HeartbeatSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** While our side has paused the socket, the peer cannot answer: silence counts only after a pause of `maxPauseMs`. */
  readonly maxPauseMs: number;
}

/** Watches one peer, from `watch` to `cancel`. Subclasses supply the peer and the clock. */
export abstract class Heartbeat extends Alarm {
  #settings: HeartbeatSettings | undefined;
  /** When the heartbeat ping was sent; absent while no answer is due. */
  #askedAt: number | undefined;

  protected abstract get clock(): Clock;
  /** The latest known time at which data arrived. */
  protected abstract heardAt(): number;
  /** When our side paused the socket; absent while the socket is read. */
  abstract get pausedAt(): number | undefined;
  /** The peer is over its budget: our side reads nothing, for as long as that takes. */
  protected abstract get isResting(): boolean;
  protected abstract sendHeartbeat(): void;
  /** The peer has sent nothing in time. */
  protected abstract onDead(): void;

  protected watch(settings: HeartbeatSettings): void {
    this.#settings = settings;
    this.#askedAt = undefined;
    this.clock.after(settings.intervalMs, this);
  }

  /** A heartbeat sends a ping or closes the connection, each of which takes a step. */
  override get isSelfContained(): boolean {
    return true;
  }

  ring(): void {
    // Only `watch` sets the alarm.
    if (this.#settings === undefined) return;
    if (this.#askedAt === undefined) this.checkSilence(this.#settings);
    else this.checkAnswer(this.#askedAt, this.#settings);
  }

  private checkSilence(settings: HeartbeatSettings): void {
    const { intervalMs, timeoutMs } = settings;
    const silentMs = this.silentMs(settings);
    if (silentMs < intervalMs) {
      this.clock.after(intervalMs - silentMs, this);
      return;
    }
    this.#askedAt = this.clock.now();
    this.clock.after(timeoutMs, this);
    this.sendHeartbeat();
  }

  private checkAnswer(askedAt: number, settings: HeartbeatSettings): void {
    const silentMs = this.silentMs(settings);
    this.#askedAt = undefined;
    // Compare with the time of the ping, not with a duration: alarms ring slightly late, and the answer came slightly after the
    // ping.
    const wasHeard = this.clock.now() - silentMs >= askedAt;
    if (wasHeard) this.clock.after(Math.max(settings.intervalMs - silentMs, 0), this);
    else this.onDead();
  }

  /** How long the peer has been silent although our side was reading. */
  private silentMs({ maxPauseMs }: HeartbeatSettings): number {
    const { pausedAt } = this;
    if (this.isResting) return 0;
    const now = this.clock.now();
    if (pausedAt !== undefined && now - pausedAt < maxPauseMs) return 0;
    return now - this.heardAt();
  }
}
