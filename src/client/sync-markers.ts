/**
 * Sync markers tell which subscription of a channel a server's `uns,name` ends. `uns,name` names only the channel, so a server's
 * `uns,name` that crosses the client's `uns,name` and `sub,name` looks like the end of the new subscription. Therefore `channels.ts`
 * sends a marker before such a `sub`: an `uns,` without a name. A Sendall server answers a marker in order, with
 * `err,,not subscribed`: an end before the answer is for the old subscription, an end after the answer for the new.
 *
 * A different server may not answer markers. Then the end is ambiguous: after a timeout, the client takes the end for the end of the new
 * subscription and sends `uns,name` to the server, so that both sides agree in any case. Markers end with their connection.
 */
import type { ClientClock } from "./arguments.js";

/** The part of a channel that markers use. */
export interface ResubscribedChannel {
  readonly name: string;
  readonly state: string;
}

interface SyncMarker<C> {
  readonly channel: C;
  readonly timer: unknown;
  /** An end that has come before the answer, for the old or (without an answer) the new subscription. */
  heldEnd: (() => void) | undefined;
  /** No answer has come within {@link ANSWER_TIMEOUT_MS}. */
  hasTimedOut: boolean;
}

/** After this time the client assumes a server that does not answer markers; the same time as for the answer to a close frame. */
const ANSWER_TIMEOUT_MS = 5_000;

export class SyncMarkers<C extends ResubscribedChannel> {
  readonly #clock: ClientClock;
  readonly #sendUnsubscribe: (name: string) => boolean;
  /** The names of subscriptions that the client has ended over the present connection. */
  readonly #unsubscribed = new Set<string>();
  /** The markers without an answer, oldest first. */
  #waiting: SyncMarker<C>[] = [];

  /** @param sendUnsubscribe sends `uns,name`; `false` if there is no connection */
  constructor(clock: ClientClock, sendUnsubscribe: (name: string) => boolean) {
    this.#clock = clock;
    this.#sendUnsubscribe = sendUnsubscribe;
  }

  /** Called after the client has ended a subscription and sent `uns,name`. */
  onUnsubscribed(name: string): void {
    this.#unsubscribed.add(name);
  }

  /** Sends a marker, if necessary, before a channel subscribes over the present connection. */
  sendBefore(channel: C): void {
    if (!this.#unsubscribed.has(channel.name) || !this.#sendUnsubscribe("")) return;
    const timer = this.#clock.setTimeout(() => {
      marker.hasTimedOut = true;
      if (marker.heldEnd && channel.state !== "closed") this.#closeBothSides(channel, marker.heldEnd);
    }, ANSWER_TIMEOUT_MS);
    const marker: SyncMarker<C> = { channel, timer, heldEnd: undefined, hasTimedOut: false };
    this.#waiting.push(marker);
  }

  /** Called when the server has answered the oldest marker. @returns `false` if no marker waits for an answer */
  onAnswered(): boolean {
    const marker = this.#waiting.shift();
    if (!marker) return false;
    this.#clock.clearTimeout(marker.timer);
    // A held end was for the old subscription, for which no further message can come.
    if (marker.channel.state !== "closed") this.#unsubscribed.delete(marker.channel.name);
    return true;
  }

  /** Called when the server has ended a channel or its predecessor of the same name. @param end ends the channel */
  onClosedByServer(channel: C, end: () => void): void {
    const marker = this.#waiting.findLast((waiting) => waiting.channel === channel);
    if (!marker) end();
    else if (marker.hasTimedOut) this.#closeBothSides(channel, end);
    else marker.heldEnd = end;
  }

  /** Called when a connection ends. */
  clear(): void {
    for (const { timer } of this.#waiting) this.#clock.clearTimeout(timer);
    this.#waiting = [];
    this.#unsubscribed.clear();
  }

  /** Ends the subscription here and on the server, which may still have the subscription. */
  #closeBothSides({ name }: C, end: () => void): void {
    if (this.#sendUnsubscribe(name)) this.#unsubscribed.add(name);
    end();
  }
}
