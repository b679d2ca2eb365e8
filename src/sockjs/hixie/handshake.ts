/**
 * The handshake of hixie-76, a WebSocket draft before RFC 6455. The SockJS protocol tests still check this handshake, for proxies
 * that hold back the last bytes of the request. Used on routes with the option `legacy`. Ends with a `HixieTransport`, or with
 * `Admission.cancel`.
 */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { hostOf, originForm } from "../../admission/request-head.js";
import type { Refusal } from "../../api/rejection.js";
import type { RequestHead } from "../../http/handshake.js";
import { ignoreError, refuseSocket } from "../../http/refuse.js";
import type { Clock } from "../../runtime/clock.js";
import { isEncrypted } from "../../transport/encryption.js";
import type { Admission } from "../../transport/transport.js";
import { HixieTransport } from "./transport.js";

/** The length of the third key, which follows the head of the request. */
const KEY3_BYTES = 8;

/** Whether a request is a hixie-76 handshake. */
export function isHixie({ headers }: RequestHead): boolean {
  return headers["sec-websocket-key1"] !== undefined && headers["sec-websocket-key2"] !== undefined;
}

/** The number in a key: the digits, divided by the number of spaces. @returns `undefined` for an invalid key */
function decodeKey(key: string): number | undefined {
  const spaces = key.split(" ").length - 1;
  const digits = Number(key.replace(/\D/g, ""));
  const number = digits / spaces;
  return spaces > 0 && Number.isInteger(number) && number < 2 ** 32 ? number : undefined;
}

/** The proof that the server has read the three keys. @returns `undefined` for invalid keys */
export function challengeResponse(key1: string, key2: string, key3: Buffer): Buffer | undefined {
  const [first, second] = [decodeKey(key1), decodeKey(key2)];
  if (first === undefined || second === undefined) return undefined;
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(first, 0);
  numbers.writeUInt32BE(second, 4);
  return createHash("md5").update(numbers).update(key3).digest();
}

const BAD_HANDSHAKE: Refusal = { status: 400, body: "this is not a handshake of hixie-76" };

export interface HixieHandshakeParts {
  readonly admission: Admission;
  readonly clock: Clock;
  /** The third key must arrive within this time. */
  readonly timeoutMs: number;
  /** Sockets whose third key has not arrived. */
  readonly pending: Set<Duplex>;
}

/**
 * Performs the handshake, and accepts or cancels the admission. The head of the answer is sent immediately, the challenge response
 * after the third key: a proxy may hold back the third key until it has seen the head.
 */
export function handshakeHixie(request: RequestHead, socket: Duplex, head: Buffer, parts: HixieHandshakeParts): void {
  const { origin, host, "sec-websocket-key1": key1 = "", "sec-websocket-key2": key2 = "" } = request.headers;
  const { admission } = parts;
  const respond = (key3: Buffer): Buffer | undefined => challengeResponse(String(key1), String(key2), key3);
  socket.on("error", ignoreError);
  if (origin === undefined || host === undefined || respond(Buffer.alloc(KEY3_BYTES)) === undefined) {
    admission.cancel();
    refuseSocket(socket, BAD_HANDSHAKE, parts.clock);
    return;
  }
  const scheme = isEncrypted(socket) ? "wss" : "ws";
  const lines = [
    "HTTP/1.1 101 WebSocket Protocol Handshake",
    "Upgrade: WebSocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Origin: ${origin}`,
    `Sec-WebSocket-Location: ${scheme}://${hostOf(request.url ?? "/") ?? host}${originForm(request.url ?? "/")}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  parts.pending.add(socket);
  readKey3(socket, head, parts, (key3, rest) => {
    parts.pending.delete(socket);
    const response = key3 === undefined ? undefined : respond(key3);
    if (response === undefined) {
      admission.cancel();
      socket.destroy();
      return;
    }
    socket.write(response);
    new HixieTransport(socket, admission).start(rest);
  });
}

/** Waits for the third key. @param done gets the key, `undefined` if the key does not arrive, and the bytes after the key */
function readKey3(
  socket: Duplex,
  head: Buffer,
  { clock, timeoutMs }: Pick<HixieHandshakeParts, "clock" | "timeoutMs">,
  done: (key3: Buffer | undefined, rest: Buffer) => void,
): void {
  let bytes = head;
  const settle = (hasKey: boolean): void => {
    timer.cancel();
    socket.off("data", onData);
    socket.off("close", onMissing);
    socket.off("end", onMissing);
    done(hasKey ? bytes.subarray(0, KEY3_BYTES) : undefined, bytes.subarray(KEY3_BYTES));
  };
  const onMissing = (): void => settle(false);
  const onData = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= KEY3_BYTES) settle(true);
  };
  const timer = clock.after(timeoutMs, onMissing);
  socket.on("data", onData);
  socket.once("close", onMissing);
  socket.once("end", onMissing);
  onData(Buffer.alloc(0));
}
