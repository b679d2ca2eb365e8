/**
 * Finds dead peers: pings a connection that has been silent for `intervalMs`, and gives it up when nothing at all came for
 * `timeoutMs` after that. Anything that arrives is a sign of life, so a busy connection is never pinged.
 */
import { Alarm, type Clock } from "../../runtime/clock.js";

/** What the heartbeat's pings carry, so that their pongs are told from the answers to a program's pings. */
export const HEARTBEAT: Buffer = Buffer.from("heartbeat");

export interface HeartbeatSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** A peer that we have paused cannot answer: it is let off for so long. */
  readonly maxPauseMs: number;
}

/** One peer that is watched, from `watch` to `cancel`. What it is, and its clock, say those who extend this. */
export abstract class Heartbeat extends Alarm {
  #settings: HeartbeatSettings | undefined;
  /** When it was asked for a sign of life; absent unless it has yet to give one. */
  #askedAt: number | undefined;

  protected abstract get clock(): Clock;
  /** When something last arrived, as far as that is known now. */
  protected abstract heardAt(): number;
  /** Since when we have paused it. */
  abstract get pausedAt(): number | undefined;
  protected abstract sendHeartbeat(): void;
  /** It has not been heard in time. */
  protected abstract onDead(): void;

  protected watch(settings: HeartbeatSettings): void {
    this.#settings = settings;
    this.clock.after(settings.intervalMs, this);
  }

  ring(): void {
    // Only `watch` sets the alarm.
    if (this.#settings === undefined) return;
    if (this.#askedAt === undefined) this.#beat(this.#settings);
    else this.#judge(this.#askedAt, this.#settings);
  }

  #beat(settings: HeartbeatSettings): void {
    const { intervalMs, timeoutMs } = settings;
    const silentMs = this.#silentMs(settings);
    if (silentMs < intervalMs) {
      this.clock.after(intervalMs - silentMs, this);
      return;
    }
    this.#askedAt = this.clock.now();
    this.clock.after(timeoutMs, this);
    this.sendHeartbeat();
  }

  #judge(askedAt: number, settings: HeartbeatSettings): void {
    const silentMs = this.#silentMs(settings);
    this.#askedAt = undefined;
    // Since then, not for so long: alarms ring a little late, and the answer came a little after the ping.
    const wasHeard = this.clock.now() - silentMs >= askedAt;
    if (wasHeard) this.clock.after(Math.max(settings.intervalMs - silentMs, 0), this);
    else this.onDead();
  }

  /** For how long the peer could have been heard and was not. */
  #silentMs({ maxPauseMs }: HeartbeatSettings): number {
    const { pausedAt } = this;
    const now = this.clock.now();
    if (pausedAt !== undefined && now - pausedAt < maxPauseMs) return 0;
    return now - this.heardAt();
  }
}
