/**
 * WebSockets as they were before RFC 6455, in the draft hixie-76: text only, no pings, no codes. The protocol of SockJS still has
 * one check of it, for proxies that hold back the last bytes of the request. Used where the option `legacy` asks for it.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { hostOf, originForm } from "../../admission/request-head.js";
import { ABNORMAL, NO_CODE, TooLarge } from "../../api/close-codes.js";
import type { TransportName } from "../../api/connection.js";
import type { Refusal } from "../../api/rejection.js";
import { ignoreError, refuseSocket } from "../../http/refuse.js";
import type { Clock } from "../../runtime/clock.js";
import type { Frame } from "../../transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../transport/transport.js";
import { Gathered } from "../protocol/growable-buffer.js";

/** So many bytes follow the head of the request. */
const NONCE_BYTES = 8;
const TEXT_START = 0x00;
const TEXT_END = 0xff;
const CLOSING_FRAME = Buffer.from([0xff, 0x00]);

/** Whether a request is one of this draft. */
export function isHixie({ headers }: IncomingMessage): boolean {
  return headers["sec-websocket-key1"] !== undefined && headers["sec-websocket-key2"] !== undefined;
}

/** The number in a key: its digits, divided by how many blanks it has. `undefined` if it holds none. */
function numberIn(key: string): number | undefined {
  const blanks = key.split(" ").length - 1;
  const digits = Number(key.replace(/\D/g, ""));
  const number = digits / blanks;
  return blanks > 0 && Number.isInteger(number) && number < 2 ** 32 ? number : undefined;
}

/** What proves that the server has read the keys and the nonce; `undefined` for keys that are none. */
export function answerTo(key1: string, key2: string, nonce: Buffer): Buffer | undefined {
  const [first, second] = [numberIn(key1), numberIn(key2)];
  if (first === undefined || second === undefined) return undefined;
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(first, 0);
  numbers.writeUInt32BE(second, 4);
  return createHash("md5").update(numbers).update(nonce).digest();
}

const BAD: Refusal = { status: 400, body: "this is no handshake of hixie-76" };

export interface ShakeParts {
  readonly admission: Admission;
  readonly clock: Clock;
  /** How long the nonce may take. */
  readonly timeoutMs: number;
  /** The sockets whose nonce is still to come. */
  readonly unproven: Set<Duplex>;
}

/**
 * Shakes hands: the head of the answer goes at once, the rest when the nonce is there, which a proxy may send only then. Either
 * accepts or forsakes.
 */
export function shakeHixie(request: IncomingMessage, socket: Duplex, head: Buffer, parts: ShakeParts): void {
  const { origin, host, "sec-websocket-key1": key1 = "", "sec-websocket-key2": key2 = "" } = request.headers;
  const { admission } = parts;
  const prove = (nonce: Buffer): Buffer | undefined => answerTo(String(key1), String(key2), nonce);
  socket.on("error", ignoreError);
  if (origin === undefined || host === undefined || prove(Buffer.alloc(NONCE_BYTES)) === undefined) {
    admission.cancel();
    refuseSocket(socket, BAD, parts.clock);
    return;
  }
  const scheme = socket instanceof TLSSocket ? "wss" : "ws";
  const lines = [
    "HTTP/1.1 101 WebSocket Protocol Handshake",
    "Upgrade: WebSocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Origin: ${origin}`,
    `Sec-WebSocket-Location: ${scheme}://${hostOf(request.url ?? "/") ?? host}${originForm(request.url ?? "/")}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  parts.unproven.add(socket);
  readNonce(socket, head, parts, (nonce, rest) => {
    parts.unproven.delete(socket);
    const proof = nonce === undefined ? undefined : prove(nonce);
    if (proof === undefined) {
      admission.cancel();
      socket.destroy();
      return;
    }
    socket.write(proof);
    new HixieWire(socket, admission).begin(rest);
  });
}

/** Waits for the nonce, and hands on what came after it; nothing if it does not come. */
function readNonce(
  socket: Duplex,
  head: Buffer,
  { clock, timeoutMs }: Pick<ShakeParts, "clock" | "timeoutMs">,
  done: (nonce: Buffer | undefined, rest: Buffer) => void,
): void {
  let bytes = head;
  const end = (isThere: boolean): void => {
    timer.cancel();
    socket.off("data", take);
    socket.off("close", giveUp);
    socket.off("end", giveUp);
    done(isThere ? bytes.subarray(0, NONCE_BYTES) : undefined, bytes.subarray(NONCE_BYTES));
  };
  const giveUp = (): void => end(false);
  const take = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= NONCE_BYTES) end(true);
  };
  const timer = clock.after(timeoutMs, giveUp);
  socket.on("data", take);
  socket.once("close", giveUp);
  socket.once("end", giveUp);
  take(Buffer.alloc(0));
}

/** Our end of one such connection. Its peer is SockJS's session, which puts text alone on it. */
class HixieWire implements Transport {
  readonly name: TransportName = "websocket";
  readonly hasPings = false;
  readonly isTextOnly = true;
  isOpen = true;
  bytesRead = 0;
  readonly #socket: Duplex;
  readonly #maxBytes: number;
  readonly #peer: TransportListener;
  /** The bytes of a message that has not come to its end. */
  readonly #unread = new Gathered();
  #isInside = false;
  /** Both sides have said that it is over. */
  #wasClean = false;
  #isWaiting = false;

  constructor(socket: Duplex, admission: Admission) {
    this.#socket = socket;
    this.#maxBytes = admission.maxPayloadBytes;
    this.#peer = admission.accept(this);
  }

  /** @param head what has been read already */
  begin(head: Buffer): void {
    this.#socket.once("close", () => this.#gone());
    this.#socket.once("end", () => this.#socket.end());
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    if (head.length > 0) this.#read(head);
  }

  get isDelayed(): boolean {
    return this.#socket instanceof TLSSocket;
  }
  get untakenBytes(): number {
    return this.#socket.writableLength;
  }

  mustWait(): boolean {
    if (!this.#socket.writableNeedDrain) return false;
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      this.#socket.once("drain", () => {
        this.#isWaiting = false;
        this.#peer.drained();
      });
    }
    return true;
  }

  write(frames: readonly Frame[]): boolean {
    if (!this.isOpen) return false;
    const parts = frames.flatMap(({ data }) => [Buffer.from([TEXT_START]), Buffer.from(data), Buffer.from([TEXT_END])]);
    this.#socket.write(Buffer.concat(parts));
    return true;
  }

  ping(): void {}
  pong(): void {}

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#socket.write(CLOSING_FRAME);
    if (this.#wasClean) this.#socket.end();
  }

  terminate(): void {
    this.isOpen = false;
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  #read(chunk: Buffer): void {
    this.bytesRead += chunk.length;
    for (let rest = chunk; rest.length > 0 && !this.#socket.destroyed && !this.#wasClean; ) rest = this.#next(rest);
  }

  /** Reads as far as the end of a message, or of what there is. @returns what comes after it */
  #next(bytes: Buffer): Buffer {
    if (!this.#isInside) return this.#begin(bytes);
    const end = bytes.indexOf(TEXT_END);
    const part = end < 0 ? bytes : bytes.subarray(0, end);
    if (this.#unread.length + part.length > this.#maxBytes) {
      this.#peer.failed(new TooLarge("Max payload size exceeded"));
      this.terminate();
      return Buffer.alloc(0);
    }
    this.#unread.add(part);
    if (end >= 0) this.#message();
    return end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 1);
  }

  /** Between messages: another one, or the end. */
  #begin(bytes: Buffer): Buffer {
    if (bytes[0] === TEXT_START) this.#isInside = true;
    else if (bytes[0] === TEXT_END) {
      this.#wasClean = true;
      if (this.isOpen) this.#peer.concluded(NO_CODE, "", false);
      else this.#socket.end();
    } else this.terminate();
    return bytes.subarray(1);
  }

  #message(): void {
    const bytes = this.#unread.length;
    this.#isInside = false;
    this.#peer.message(this.#unread.take(), bytes);
  }

  #gone(): void {
    this.isOpen = false;
    this.#peer.onTransportClosed(this.#wasClean ? NO_CODE : ABNORMAL, "");
  }
}
