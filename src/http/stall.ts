/** Stall detection: finds peers that stop reading a file (`static.ts`) or a refusal (`refuse.ts`). */
import type { Duplex } from "node:stream";
import type { Clock } from "../runtime/clock.js";

/** The bytes that the operating system has accepted for the peer; grows in steps of whole writes. */
function takenBytes(socket: Duplex): number {
  const written = "bytesWritten" in socket ? Number(socket.bytesWritten) : 0;
  return written - socket.writableLength;
}

/**
 * Checks a socket every `stallMs`. Calls `onStall` once, and ends, when no byte was taken between two checks or the socket is destroyed.
 *
 * @returns what cancels the checks
 */
export function detectStall(socket: Duplex, clock: Clock, stallMs: number, onStall: () => void): () => void {
  let previous = takenBytes(socket);
  const check = (): void => {
    const taken = takenBytes(socket);
    if (taken === previous || socket.destroyed) {
      onStall();
      return;
    }
    previous = taken;
    timer = clock.after(stallMs, check);
  };
  let timer = clock.after(stallMs, check);
  return () => timer.cancel();
}
