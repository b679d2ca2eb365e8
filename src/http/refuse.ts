/**
 * Refusals on raw sockets, for upgrades and for invalid requests: writes a status and a line with the cause, then closes the socket
 * gracefully. A refused socket ends when the peer has closed its side, or after a time limit.
 */
import { STATUS_CODES } from "node:http";
import { type Duplex, Readable } from "node:stream";
import type { Refusal } from "../api/rejection.js";
import type { Clock } from "../runtime/clock.js";
import { detectStall } from "./stall.js";

/** A listener for `error` events of sockets without an owner: an `error` event without a listener ends the process. */
export function ignoreError(): void {}

/**
 * How long a refused peer may read nothing of the answer, and how long the peer may then leave its own side open. An immediate close while
 * the peer still sends would reset the socket, and the peer would lose the unread part of the answer (RFC 9112 section 9.6).
 */
const LINGER_MS = 10_000;
/** A near peer closes its side within 20 rounds of the event loop. Only slower peers get a timer. */
const GRACE_ROUNDS = 20;
/** A longer answer is written in pieces, so that stall detection sees progress. */
const PIECE_BYTES = 65_536;

/** For each server, by clock: what terminates the refused sockets that are still open. */
const lingering = new WeakMap<Clock, Set<() => void>>();
const refused = new WeakSet<Duplex>();

/** Whether a socket has been refused. Callers then ignore further bytes and errors. */
export function wasRefused(socket: Duplex): boolean {
  return refused.has(socket);
}

/** Terminates the refused sockets of a server, whose other connections have ended. */
export function terminateRefused(clock: Clock): void {
  for (const terminate of [...(lingering.get(clock) ?? [])]) terminate();
}

/** Writes the answer, closes our side, and destroys the socket when the peer has closed its side or the time is up. */
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
    // An empty value removes a header: SockJS refuses methods without a `Content-Type`.
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`);
}

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** Reads and discards further bytes, since unread bytes would turn the close into a reset, until the socket can be destroyed. */
function linger(socket: Duplex, clock: Clock): void {
  const open = lingering.get(clock) ?? new Set();
  let cancelTimer = (): void => {};
  const terminate = (): void => {
    cancelTimer();
    open.delete(terminate);
    socket.destroy();
  };
  lingering.set(clock, open.add(terminate));
  const isOver = (): boolean => socket.readableEnded && socket.writableFinished;
  for (const event of ["end", "finish"])
    socket.once(event, () => {
      if (isOver()) terminate();
    });
  socket.once("close", terminate);
  afterRounds(GRACE_ROUNDS, clock, () => {
    if (open.has(terminate)) cancelTimer = timeLingering(socket, clock, terminate);
  });
  // Node's HTTP parser must not find further requests or errors.
  socket.removeAllListeners("data");
  socket.on("data", discard).resume();
}

/** Times both steps: first the reading of the answer by the peer, then the close of the peer's side. @returns what cancels the timer */
function timeLingering(socket: Duplex, clock: Clock, terminate: () => void): () => void {
  const timeClose = (): (() => void) => {
    const timer = clock.after(LINGER_MS, terminate);
    return () => timer.cancel();
  };
  let cancelTimer = socket.writableFinished ? timeClose() : detectStall(socket, clock, LINGER_MS, terminate);
  socket.once("finish", () => {
    cancelTimer();
    cancelTimer = socket.destroyed ? cancelTimer : timeClose();
  });
  return () => cancelTimer();
}

function afterRounds(rounds: number, clock: Clock, step: () => void): void {
  clock.soon(rounds <= 1 ? step : () => afterRounds(rounds - 1, clock, step));
}

function discard(): void {}
