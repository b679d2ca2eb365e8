/**
 * The transport of hixie-76, after the handshake: text frames between 0x00 and 0xff, no pings, and a close frame without a code. A
 * SockJS session is the listener, and writes text only. The transport ends with its socket.
 */
import type { Duplex } from "node:stream";
import { ABNORMAL, NO_CODE, TooLarge } from "../../api/close-codes.js";
import type { TransportName } from "../../api/connection.js";
import { isEncrypted } from "../../transport/encryption.js";
import type { Frame } from "../../transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../transport/transport.js";
import { GrowableBuffer } from "../protocol/growable-buffer.js";

const TEXT_START = 0x00;
const TEXT_END = 0xff;
const CLOSING_FRAME = Buffer.from([0xff, 0x00]);

export class HixieTransport implements Transport {
  readonly name: TransportName = "websocket";
  readonly hasPings = false;
  readonly isTextOnly = true;
  isOpen = true;
  bytesRead = 0;
  readonly #socket: Duplex;
  readonly #maxBytes: number;
  readonly #listener: TransportListener;
  /** The bytes of an unfinished message. */
  readonly #partialMessage = new GrowableBuffer();
  #isInMessage = false;
  /** The peer's close frame has arrived. */
  #wasClean = false;
  #isWaitingForDrain = false;

  constructor(socket: Duplex, admission: Admission) {
    this.#socket = socket;
    this.#maxBytes = admission.maxPayloadBytes;
    this.#listener = admission.accept(this);
  }

  /** @param head bytes that were read with the handshake */
  start(head: Buffer): void {
    this.#socket.once("close", () => this.#onSocketClosed());
    this.#socket.once("end", () => this.#socket.end());
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    if (head.length > 0) this.#read(head);
  }

  get isDelayed(): boolean {
    return isEncrypted(this.#socket);
  }
  get untakenBytes(): number {
    return this.#socket.writableLength;
  }

  mustWait(): boolean {
    if (!this.#socket.writableNeedDrain) return false;
    if (!this.#isWaitingForDrain) {
      this.#isWaitingForDrain = true;
      this.#socket.once("drain", () => {
        this.#isWaitingForDrain = false;
        this.#listener.drained();
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
    for (let rest = chunk; rest.length > 0 && !this.#socket.destroyed && !this.#wasClean; )
      rest = this.#readFrame(rest);
  }

  /** Reads up to the end of a message, or to the last byte. @returns the remaining bytes */
  #readFrame(bytes: Buffer): Buffer {
    if (!this.#isInMessage) return this.#readFrameType(bytes);
    const end = bytes.indexOf(TEXT_END);
    const part = end < 0 ? bytes : bytes.subarray(0, end);
    if (this.#partialMessage.length + part.length > this.#maxBytes) {
      this.#listener.failed(new TooLarge("Max payload size exceeded"));
      this.terminate();
      return Buffer.alloc(0);
    }
    this.#partialMessage.add(part);
    if (end >= 0) this.#deliverMessage();
    return end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 1);
  }

  /** Reads the first byte of a frame: a text frame or a close frame. @returns the remaining bytes */
  #readFrameType(bytes: Buffer): Buffer {
    if (bytes[0] === TEXT_START) this.#isInMessage = true;
    else if (bytes[0] === TEXT_END) {
      this.#wasClean = true;
      if (this.isOpen) this.#listener.concluded(NO_CODE, "", false);
      else this.#socket.end();
    } else this.terminate();
    return bytes.subarray(1);
  }

  #deliverMessage(): void {
    const bytes = this.#partialMessage.length;
    this.#isInMessage = false;
    this.#listener.message(this.#partialMessage.takeText(), bytes);
  }

  #onSocketClosed(): void {
    this.isOpen = false;
    this.#listener.onTransportClosed(this.#wasClean ? NO_CODE : ABNORMAL, "");
  }
}
