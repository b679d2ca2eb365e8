/**
 * Which subscription an end is meant for. A server's `uns,name` names the channel alone: one that crosses this side's `uns,name` and
 * `sub,name` looks as if it ended the new subscription. So `channels.ts` sends a fence before such a `sub`, an `uns,` without a name.
 * Our servers answer that in its turn, by `err,,not subscribed`: an end that comes before the answer is for the old subscription, one
 * that comes after it for the new one.
 *
 * A server that is not ours may answer no fence. Then nobody can tell: after a while the end is taken for one of the new
 * subscription, and the server is told so. Both sides agree in any case.
 */
import type { ClientClock } from "./machine.js";

/** What is asked of a channel. */
export interface Fenced {
  readonly name: string;
  readonly state: string;
}

interface Fence<C> {
  readonly channel: C;
  readonly timer: unknown;
  /** The end that has come since, of this subscription or the one before. */
  held: (() => void) | undefined;
  /** It was waited for too long. */
  isVoid: boolean;
}

/** A server that has not answered by then is taken for one that does not; as long as one may take to answer a close frame. */
const ANSWER_TIMEOUT_MS = 5_000;

export class Fences<C extends Fenced> {
  readonly #clock: ClientClock;
  readonly #sayEnd: (name: string) => boolean;
  /** Names of subscriptions that this side has ended over the present connection. */
  readonly #parted = new Set<string>();
  /** Not answered yet, oldest first. */
  #waiting: Fence<C>[] = [];

  /** @param sayEnd sends `uns,name`; `false` if there is no connection */
  constructor(clock: ClientClock, sayEnd: (name: string) => boolean) {
    this.#clock = clock;
    this.#sayEnd = sayEnd;
  }

  /** This side has ended a subscription of that name, and has told the server. */
  parted(name: string): void {
    this.#parted.add(name);
  }

  /** A channel is about to subscribe over the present connection. */
  begin(channel: C): void {
    if (!this.#parted.has(channel.name) || !this.#sayEnd("")) return;
    const timer = this.#clock.setTimeout(() => this.#giveUp(fence), ANSWER_TIMEOUT_MS);
    const fence: Fence<C> = { channel, timer, held: undefined, isVoid: false };
    this.#waiting.push(fence);
  }

  /** The server has answered the oldest. @returns `false` if none was sent */
  passed(): boolean {
    const fence = this.#waiting.shift();
    if (fence === undefined) return false;
    this.#clock.clearTimeout(fence.timer);
    // What was held was for the subscription before, and nothing more comes for that.
    if (fence.channel.state !== "closed") this.#parted.delete(fence.channel.name);
    return true;
  }

  /** The server has ended a channel, or the one of that name before it. @param end ends the channel */
  conclude(channel: C, end: () => void): void {
    const fence = this.#waiting.findLast((one) => one.channel === channel);
    if (fence === undefined) end();
    else if (fence.isVoid) this.#endBoth(channel, end);
    else fence.held = end;
  }

  /** Another connection begins, or none. */
  clear(): void {
    for (const { timer } of this.#waiting) this.#clock.clearTimeout(timer);
    this.#waiting = [];
    this.#parted.clear();
  }

  #giveUp(fence: Fence<C>): void {
    fence.isVoid = true;
    const { channel, held } = fence;
    if (held !== undefined && channel.state !== "closed") this.#endBoth(channel, held);
  }

  /** The server may have the subscription still. */
  #endBoth(channel: C, end: () => void): void {
    if (this.#sayEnd(channel.name)) this.#parted.add(channel.name);
    end();
  }
}
