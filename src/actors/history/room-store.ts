/** The store behind the history of a route or channel, as the server has opened the store. Several routes and channels may share a store. */
import type { HistoryStore } from "../../api/history-store.js";

export interface RoomStore {
  readonly store: HistoryStore;
  /** The name of a room within the store. */
  nameOf(room: string): string;
  /** Of a store in memory: what is kept of the room goes, and positions mean nothing any more. */
  forget(room: string): void;
  /** Something was appended or read: what is kept ages from now on. */
  onUsed(): void;
  /** @param onLost told of messages that the store had taken and has lost */
  watch(onLost: (count: number) => void): void;
  /** @returns the same store for a channel */
  forChannel(name: string): RoomStore;
}
