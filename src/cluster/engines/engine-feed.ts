/** What a node hears of one room, whatever the engine: the subscriptions of the room, and those that wait for the confirmation of the engine. */
import type { StoredMessage } from "../../api/history-store.js";

export type FeedListener = (entry: StoredMessage) => void;

export class EngineFeed {
  readonly room: string;
  readonly listeners: Set<FeedListener> = new Set();
  isAsking = false;
  #waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  constructor(room: string) {
    this.room = room;
  }

  /** @returns the listener as the feed has it: an own object for each subscription, since two may have the same function */
  add(listener: FeedListener): FeedListener {
    const own: FeedListener = (entry) => listener(entry);
    this.listeners.add(own);
    return own;
  }

  /** Resolves at `confirm`, rejects at `refuse`. */
  confirmation(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  confirm(): void {
    for (const { resolve } of this.#takeWaiting()) resolve();
  }

  refuse(error: unknown): void {
    for (const { reject } of this.#takeWaiting()) reject(error);
  }

  deliver(entry: StoredMessage): void {
    for (const listener of [...this.listeners]) listener(entry);
  }

  #takeWaiting(): { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}
