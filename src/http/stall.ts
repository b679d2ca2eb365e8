/** Finds peers that take nothing of what is sent to them: of files (`static.ts`) and of refusals (`refuse.ts`). */
import type { Duplex } from "node:stream";
import type { Clock } from "../runtime/clock.js";

/** The bytes that the system has taken from us for the peer, in steps of what was handed over at once. */
function takenBytes(socket: Duplex): number {
  const written = "bytesWritten" in socket ? Number(socket.bytesWritten) : 0;
  return written - socket.writableLength;
}

/**
 * Looks once in `stallMs`, until it is told to end: a peer that has taken nothing between two looks has stalled, and so has one whose
 * socket is gone.
 *
 * @returns what ends it
 */
export function detectStall(socket: Duplex, clock: Clock, stallMs: number, onStall: () => void): () => void {
  let before = takenBytes(socket);
  const look = (): void => {
    const taken = takenBytes(socket);
    if (taken === before || socket.destroyed) {
      onStall();
      return;
    }
    before = taken;
    timer = clock.after(stallMs, look);
  };
  let timer = clock.after(stallMs, look);
  return () => timer.cancel();
}
