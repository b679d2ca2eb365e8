/**
 * A `back` event that waits in a mailbox. Further absences are told as part of the last, while nothing else comes in between: a peer that
 * loses socket after socket would otherwise fill the mailbox of a slow handler. Ends when the handler takes the event.
 */
import type { AwayEvent, BackEvent } from "../../api/events.js";
import type { ConnectionQueue, Posted } from "./connection-queue.js";

export class WaitingBack implements Posted {
  event: BackEvent;
  readonly queue: ConnectionQueue;
  readonly bytes = 0;
  readonly isForwarded = false;
  /** The connection has gone away again. */
  #away: AwayEvent | undefined;

  constructor(event: BackEvent, queue: ConnectionQueue) {
    this.event = event;
    this.queue = queue;
  }

  /** MUST NOT be called twice without `comeBackAgain` or `takeAway` in between. */
  leaveAgain(away: AwayEvent): void {
    this.#away = away;
  }

  /** @returns whether the absence is now part of the absence before, so that the event need not be posted */
  comeBackAgain(event: BackEvent): boolean {
    if (this.takeAway() === undefined) return false;
    this.event = Object.freeze({ ...event, lost: this.event.lost + event.lost });
    return true;
  }

  /** The absence that follows and has not been told; the caller posts the event. */
  takeAway(): AwayEvent | undefined {
    const away = this.#away;
    this.#away = undefined;
    return away;
  }
}
