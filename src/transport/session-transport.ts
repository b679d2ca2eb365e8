/**
 * The layer of the subprotocol `sendall.1`, between a transport and the connection: writes the welcome, keeps control frames from the
 * connection, and escapes messages that look like control frames. The gate makes a layer for each peer that has offered sessions; plain
 * peers have none. The layer ends with the transport.
 */
import type { BrokenControlFrame } from "../api/close-codes.js";
import type { ConnectionId, TransportName } from "../api/connection.js";
import type { Clock } from "../runtime/clock.js";
import type { Frame } from "./frame.js";
import { escapeFrames, kindOfText, readControl, welcomeFrame } from "./session-frames.js";
import type { Transport, TransportListener } from "./transport.js";

/** What a layer needs of its route. */
export interface SessionParts {
  readonly clock: Clock;
  /** The option `heartbeat`. */
  readonly heartbeat: { readonly intervalMs: number; readonly timeoutMs: number } | false;
}

export class SessionTransport implements Transport, TransportListener {
  readonly #transport: Transport;
  #listener: TransportListener | undefined;
  /** The peer has closed or broken the protocol: nothing more is read of the peer. */
  #hasConcluded = false;

  /** Writes the welcome. The caller MUST call `setListener` in the same stack. */
  constructor(transport: Transport, { heartbeat }: SessionParts) {
    this.#transport = transport;
    transport.write([welcomeFrame(heartbeat === false ? 0 : heartbeat.intervalMs + heartbeat.timeoutMs)]);
  }

  setListener(listener: TransportListener): void {
    this.#listener = listener;
  }

  // Transport: called by the connection.

  get name(): TransportName {
    return this.#transport.name;
  }
  get heartbeat(): Transport["heartbeat"] {
    return this.#transport.heartbeat;
  }
  get hasPings(): boolean {
    return this.#transport.hasPings !== false;
  }
  get isTextOnly(): boolean {
    return this.#transport.isTextOnly === true;
  }
  get isOpen(): boolean {
    return this.#transport.isOpen;
  }
  get bytesRead(): number {
    return this.#transport.bytesRead;
  }
  get untakenBytes(): number {
    return this.#transport.untakenBytes;
  }
  get isDelayed(): boolean {
    return this.#transport.isDelayed;
  }

  mustWait(): boolean {
    return this.#transport.mustWait();
  }

  write(frames: readonly Frame[]): boolean {
    return this.#transport.write(escapeFrames(frames));
  }

  ping(data: Buffer): void {
    this.#transport.ping(data);
  }

  pong(data: Buffer): void {
    this.#transport.pong(data);
  }

  close(code: number, reason: string): void {
    this.#transport.close(code, reason);
  }

  terminate(): void {
    this.#transport.terminate();
  }

  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  // TransportListener: called by the transport.

  get id(): ConnectionId {
    return this.#listener?.id ?? ("" as ConnectionId);
  }

  message(data: string | Buffer, bytes: number): void {
    if (this.#hasConcluded) return;
    const kind = typeof data === "string" ? kindOfText(data) : "message";
    if (typeof data !== "string" || kind === "message") this.#listener?.message(data, bytes);
    else if (kind === "escaped") this.#listener?.message(data.slice(1), bytes - 1);
    else this.#receiveControl(data);
  }

  pinged(data: Buffer): void {
    if (!this.#hasConcluded) this.#listener?.pinged(data);
  }

  ponged(data: Buffer): void {
    if (!this.#hasConcluded) this.#listener?.ponged(data);
  }

  drained(): void {
    this.#listener?.drained();
  }

  flooded(): void {
    if (!this.#hasConcluded) this.#listener?.flooded();
  }

  failed(error: Error): void {
    this.#listener?.failed(error);
  }

  concluded(code: number, reason: string, isFault: boolean): void {
    if (this.#hasConcluded) return;
    this.#hasConcluded = true;
    this.#listener?.concluded(code, reason, isFault);
  }

  onTransportClosed(code: number, reason: string): void {
    this.#listener?.onTransportClosed(code, reason);
  }

  /** After our close frame the peer's frames have no meaning any more. */
  #receiveControl(text: string): void {
    if (!this.isOpen) return;
    const read = readControl(text);
    if (read !== "ask" && read !== "ignored") this.#fail(read);
  }

  #fail(error: BrokenControlFrame): void {
    this.concluded(error.closing.code, error.closing.reason, true);
    this.failed(error);
  }
}
