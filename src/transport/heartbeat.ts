/**
 * Finds dead peers: pings a connection that has been silent for `intervalMs`, and gives it up when nothing at all came for
 * `timeoutMs` after that. Anything that arrives is a sign of life, so a busy connection is never pinged.
 */
import type { Clock, Timer } from "../clock.js";

export interface HeartbeatSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** A peer that we have paused cannot answer: it is let off for so long. */
  readonly maxPauseMs: number;
}

/** What a heartbeat watches. */
export interface Watched {
  /** When something last arrived, as far as that is known now. */
  heardAt(): number;
  /** Since when we have paused it. */
  readonly pausedAt: number | undefined;
  sendHeartbeat(): void;
  /** It has not been heard in time. */
  giveUp(): void;
}

/** Watches until `cancel`, which the connection calls when it ends. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #settings: HeartbeatSettings;
  readonly #watched: Watched;
  #timer: Timer;
  /** When it was asked for a sign of life; absent unless it has yet to give one. */
  #pingedAt: number | undefined;

  constructor(clock: Clock, settings: HeartbeatSettings, watched: Watched) {
    this.#clock = clock;
    this.#settings = settings;
    this.#watched = watched;
    this.#timer = clock.after(settings.intervalMs, this);
  }

  cancel(): void {
    this.#timer.cancel();
  }

  /** Called by the clock. */
  ring(): void {
    if (this.#pingedAt === undefined) this.#beat();
    else this.#judge(this.#pingedAt);
  }

  #beat(): void {
    const { intervalMs, timeoutMs } = this.#settings;
    const silentMs = this.#silentMs();
    if (silentMs < intervalMs) {
      this.#timer = this.#clock.after(intervalMs - silentMs, this);
      return;
    }
    this.#watched.sendHeartbeat();
    this.#pingedAt = this.#clock.now();
    this.#timer = this.#clock.after(timeoutMs, this);
  }

  #judge(pingedAt: number): void {
    const silentMs = this.#silentMs();
    this.#pingedAt = undefined;
    // Since the ping, not for so long: alarms ring a little late, and the answer came a little after the ping.
    const wasHeard = this.#clock.now() - silentMs >= pingedAt;
    if (wasHeard) this.#timer = this.#clock.after(Math.max(this.#settings.intervalMs - silentMs, 0), this);
    else this.#watched.giveUp();
  }

  /** For how long the peer could have been heard and was not. */
  #silentMs(): number {
    const { pausedAt } = this.#watched;
    const now = this.#clock.now();
    if (pausedAt !== undefined && now - pausedAt < this.#settings.maxPauseMs) return 0;
    return now - this.#watched.heardAt();
  }
}
