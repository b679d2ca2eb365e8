/**
 * A receiver: an HTTP response that carries frames to a client. The same class serves every HTTP transport; the transports differ
 * only in their {@link TransportFormat}. A session writes the frames. The response ends after `responseLimitBytes` (streaming),
 * after one frame (polling), at the end of the session, or when the network cuts the response.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TransportFormat } from "../protocol/transport-formats.js";

/** The session as seen by its receiver. */
export interface ReceiverListener {
  /** The receiver takes more frames. */
  onReceiverDrained(): void;
  /** This side has ended the response, and the system has taken every byte. */
  onReceiverFinished(receiver: ResponseReceiver): void;
  /** The response was cut before the system had taken every byte. */
  onReceiverLost(receiver: ResponseReceiver): void;
}

/** TCP probes the host of a client after 5 s of silence. */
const KEEP_ALIVE_MS = 5_000;

export interface ResponseReceiverParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly format: TransportFormat;
  /** `""` for transports without a callback. */
  readonly callback: string;
  /** A streaming response ends after this many characters of frames. */
  readonly maxLength: number;
}

export class ResponseReceiver {
  readonly format: TransportFormat;
  readonly #response: ServerResponse;
  readonly #callback: string;
  readonly #maxLength: number;
  #listener: ReceiverListener | undefined;
  #length = 0;
  #isStarted = false;
  #isWaitingForDrain = false;
  #isEnded = false;

  constructor({ request, response, format, callback, maxLength }: ResponseReceiverParts) {
    this.format = format;
    this.#response = response;
    this.#callback = callback;
    this.#maxLength = maxLength;
    request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // An unread request body would block the HTTP connection.
    request.resume();
    response.once("finish", () => this.#listener?.onReceiverFinished(this));
    response.once("close", () => {
      if (!response.writableFinished) this.#listener?.onReceiverLost(this);
    });
    response.on("error", ignoreError);
  }

  /** This side has ended the response. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  get untakenBytes(): number {
    return this.#response.writableLength;
  }

  setListener(listener: ReceiverListener): void {
    this.#listener = listener;
  }

  /** Whether writing has to wait; `onReceiverDrained` ends the wait. */
  mustWait(): boolean {
    if (!this.#response.writableNeedDrain) return false;
    if (!this.#isWaitingForDrain) {
      this.#isWaitingForDrain = true;
      this.#response.once("drain", () => {
        this.#isWaitingForDrain = false;
        this.#listener?.onReceiverDrained();
      });
    }
    return true;
  }

  /** Sets the head of the response; a streaming response then starts with the prelude in its own chunk, as for each frame. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { contentType, isPolling } = this.format;
    this.#response.setHeader("Content-Type", contentType);
    this.#response.statusCode = 200;
    const prelude = this.format.prelude(this.#callback);
    if (!isPolling && prelude !== "") this.#inOnePacket(() => this.#response.write(prelude));
  }

  write(frame: string): void {
    this.#inOnePacket(() => this.#write(frame));
  }

  #write(frame: string): void {
    this.start();
    const text = this.format.wrap(frame, this.#callback);
    if (this.format.isPolling) {
      this.#isEnded = true;
      this.#response.end(text);
      return;
    }
    this.#length += text.length;
    this.#response.write(text);
    if (this.#length >= this.#maxLength) this.end();
  }

  /**
   * From 24.22 on, Node joins what a response is given in a turn into one chunk, but SockJS wants each frame in a chunk of its own. Node leaves the
   * chunks alone while the program itself corks the socket, and what is written still leaves in one packet.
   */
  #inOnePacket(write: () => void): void {
    // Absent once the connection has gone, and until the responses before this one have been sent.
    const { socket } = this.#response;
    socket?.cork();
    write();
    socket?.uncork();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#response.end();
  }

  /** Cuts the response; `onReceiverLost` follows. */
  terminate(): void {
    this.#response.destroy();
  }
}

function ignoreError(): void {}
