/** Names of connections: random, so that nobody guesses one, and never the same twice. `server.ts` takes one source for each server. */
import { randomFillSync } from "node:crypto";
import type { ConnectionId } from "./events.js";

const ID_BYTES = 16;
/** So many are drawn at once. */
const AT_ONCE = 256;

/** Node's `randomUUID` takes four times as long, and keeps half a kilobyte for each: the 15 strings that it joins. */
export function createIds(): () => ConnectionId {
  const random = Buffer.alloc(ID_BYTES * AT_ONCE);
  let used = random.length;
  return () => {
    if (used === random.length) {
      randomFillSync(random);
      used = 0;
    }
    const id = random.toString("hex", used, used + ID_BYTES);
    // What has been given out is kept nowhere else.
    random.fill(0, used, used + ID_BYTES);
    used += ID_BYTES;
    return id as ConnectionId;
  };
}
