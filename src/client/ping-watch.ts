/**
 * Notices a plain server that has fallen silent, by the server's own pings: a server that pings every now and then is expected to go on.
 * `node-socket.ts` starts a watch for each connection, since only Node's sockets tell of pings; the watch ends with the connection. On a
 * session the client itself listens, with the limit that the server announces.
 */
import type { EventEmitter } from "node:events";
import { isSessionName } from "../api/session-protocol.js";

/** How long a server may be silent in addition to twice the interval of its pings: the time for the answer to the client's own ping. */
const ANSWER_MS = 5_000;
/** The client does not ask earlier: two pings in a row say nothing of an interval. */
const MIN_ASK_MS = 1_000;
/** A timer that rings later says that the process was held up, and unread bytes may be waiting. */
const HELD_UP_MS = 1_000;

/** The longest time of a timer of Node, which counts in 32 bits: a longer wait would end at once. */
const LONGEST_MS = 2_147_483_647;

/** The part of a socket of `ws` that a watch uses. */
interface PingedSocket extends EventEmitter {
  readonly protocol: string;
  ping(): void;
  terminate(): void;
}

/** Bytes that the system has yet to take from Node. The streams of Node do not tell: for them a write is taken as a whole. */
function queuedBytes(socket: EventEmitter): unknown {
  return Reflect.get(Object(Reflect.get(socket, "_handle")), "writeQueueSize");
}

/** @param socket the connection below `ws` */
export function watchPings(ws: PingedSocket, socket: EventEmitter): void {
  let pingedAt: number | undefined;
  let heardAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const wait = (ms: number, ring: (isLate: boolean) => void): void => {
    clearTimeout(timer);
    const dueAt = performance.now() + ms;
    timer = setTimeout(() => ring(performance.now() - dueAt > HELD_UP_MS), Math.min(ms, LONGEST_MS));
  };
  const listen = (askMs: number, answerMs: number): void => {
    const silentMs = performance.now() - heardAt;
    if (silentMs < askMs) wait(askMs - silentMs, () => listen(askMs, answerMs));
    else ask(askMs, answerMs);
  };
  /** A server that pings only clients which say nothing has no reason to ping this one: an answer is a sign of life, too. */
  const ask = (askMs: number, answerMs: number): void => {
    const askedAt = performance.now();
    ws.ping();
    let queued = queuedBytes(socket);
    const check = (isLate: boolean): void => {
      const before = queued;
      queued = queuedBytes(socket);
      if (heardAt >= askedAt) listen(askMs, answerMs);
      // A server that reads a long message slowly has not seen the ping behind the message.
      else if (isLate || queued !== before) wait(ANSWER_MS, check);
      else {
        ws.emit("error", new Error("the server has fallen silent"));
        ws.terminate();
      }
    };
    wait(answerMs, check);
  };

  ws.on("ping", () => {
    const now = performance.now();
    heardAt = now;
    // Not before the first ping: `ws` puts bytes that came with the handshake back for its own listener, and another would take them.
    if (pingedAt === undefined)
      socket.on("data", () => {
        heardAt = performance.now();
      });
    else if (!isSessionName(ws.protocol)) {
      const limitMs = 2 * (now - pingedAt) + ANSWER_MS;
      const askMs = Math.max(limitMs - ANSWER_MS, MIN_ASK_MS);
      listen(askMs, limitMs - askMs);
    }
    pingedAt = now;
  });
  ws.once("close", () => clearTimeout(timer));
}
