/** Turning down a connection that speaks HTTP, or was meant to: a status and one line that names the cause, then the end of it. */
import { STATUS_CODES } from "node:http";
import { type Duplex, Readable } from "node:stream";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import { detectStall } from "./stall.js";

/** For sockets that nobody else listens to: an error nobody hears ends the process. */
export function ignoreError(): void {}

/**
 * How long a refused peer may take nothing of its answer, and how long it may leave its own side open afterwards. Closed at once, a
 * socket whose peer is still sending would be reset, and the peer would lose what it has not read yet (RFC 9112 section 9.6).
 */
const LINGER_MS = 10_000;
/** A peer that is near has ended its side within so many rounds of the event loop: only the others are timed. */
const GRACE_ROUNDS = 20;
/** A longer answer goes out in pieces, so that the peer is seen to take them. */
const PIECE_BYTES = 65_536;

/** What closes each of the sockets that are refused and still open, by the clock of their server. */
const lingering = new WeakMap<Clock, Set<() => void>>();
const refused = new WeakSet<Duplex>();

/** Whether it has been refused: whatever else comes from it, or goes wrong with it, is nobody's business any more. */
export function wasRefused(socket: Duplex): boolean {
  return refused.has(socket);
}

/** The server has come to rest: who is refused has had time enough. */
export function terminateRefused(clock: Clock): void {
  for (const close of [...(lingering.get(clock) ?? [])]) close();
}

/** Answers, ends our side, and closes the socket when the peer has ended its own or has had time enough. */
export function refuseSocket(socket: Duplex, refusal: Refusal, clock: Clock): void {
  if (wasRefused(socket)) return;
  refused.add(socket);
  socket.on("error", ignoreError);
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  linger(socket, clock);
  const answer = answerOf(refusal);
  if (answer.length <= PIECE_BYTES) socket.end(answer);
  else Readable.from(piecesOf(answer)).pipe(socket);
}

function answerOf({ status, body, headers = {} }: Refusal): Buffer {
  const given = Object.entries(headers).filter(([name]) => !/^(connection|content-length)$/i.test(name));
  const isTyped = given.some(([name]) => name.toLowerCase() === "content-type");
  const lines = [
    ...(isTyped ? [] : [["Content-Type", "text/plain; charset=utf-8"]]),
    ...given,
    ["Connection", "close"],
    ["Content-Length", String(Buffer.byteLength(body))],
  ]
    // An empty type is none: SockJS refuses methods without one.
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`);
}

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Reads on, since unread bytes make a reset of the end, and sees to it that the socket is closed. */
function linger(socket: Duplex, clock: Clock): void {
  const closers = lingering.get(clock) ?? new Set();
  let cancelTimer = (): void => {};
  const terminate = (): void => {
    cancelTimer();
    closers.delete(terminate);
    socket.destroy();
  };
  lingering.set(clock, closers.add(terminate));
  const isOver = (): boolean => socket.readableEnded && socket.writableFinished;
  for (const event of ["end", "finish"])
    socket.once(event, () => {
      if (isOver()) terminate();
    });
  socket.once("close", terminate);
  afterRounds(GRACE_ROUNDS, clock, () => {
    if (closers.has(terminate)) cancelTimer = timeLingering(socket, clock, terminate);
  });
  // A parser of HTTP that still reads here would go on finding requests, or faults.
  socket.removeAllListeners("data");
  socket.on("data", discard).resume();
}

/** A bound for each step: for the taking of the answer, and then for the peer's own end. @returns what ends it */
function timeLingering(socket: Duplex, clock: Clock, close: () => void): () => void {
  const awaitEnd = (): (() => void) => {
    const timer = clock.after(LINGER_MS, close);
    return () => timer.cancel();
  };
  let untime = socket.writableFinished ? awaitEnd() : detectStall(socket, clock, LINGER_MS, close);
  socket.once("finish", () => {
    untime();
    untime = socket.destroyed ? untime : awaitEnd();
  });
  return () => untime();
}

function afterRounds(rounds: number, clock: Clock, step: () => void): void {
  clock.soon(rounds <= 1 ? step : () => afterRounds(rounds - 1, clock, step));
}

function discard(): void {}
