/**
 * What goes between the two ends of a connection in memory, and what each end is to others: `link.ts` joins them, `memory.ts` lets
 * them in, the test runtime holds the client's end and may decide what arrives when.
 */
import type { ConnectionId } from "../../api/connection.js";
import type { Frame } from "../../transport/frame.js";
import type { Carried } from "./line.js";

/** What the client end tells of what it reads. Calls after `closed` do not happen. */
export interface MemoryClientEvents {
  message(data: string | Buffer): void;
  pong(data: Buffer): void;
  closed(code: number, reason: string): void;
}

/** What goes from a client to the server. `"end"` is the end of the socket without a close frame, `"reset"` its failure. */
export type ToServer =
  | { readonly type: "message"; readonly data: string | Buffer }
  | { readonly type: "ping" | "pong"; readonly data: Buffer }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "end" }
  | { readonly type: "reset"; readonly error: Error };

/** What one write of the server has put on the way: how far it was read, and how many of its bytes count as untaken. */
export interface Written {
  readonly type: "frames";
  readonly frames: readonly Frame[];
  next: number;
  untaken: number;
}

/** What goes from the server to a client. */
export type ToClient =
  | Written
  | { readonly type: "ping" | "pong"; readonly data: Buffer }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "cut" };

/** The two directions of one connection, for a {@link Carrier}. */
export interface CarriedLink {
  readonly id: ConnectionId;
  readonly toServer: Carried<ToServer>;
  readonly toClient: Carried<ToClient>;
  readonly client: MemoryClientEnd;
  /** The client's end is open: it reads, or would if it were not stalled. */
  readonly isClientOpen: boolean;
  /** Nothing will arrive at either end any more. */
  readonly isOver: boolean;
}

/** What a test does at the far end. What is sent is on its way, not there. */
export interface MemoryClientEnd {
  /** Bytes of messages sent that the server has not read. */
  readonly unreadBytes: number;
  /** Nothing is on its way to it. */
  readonly isCaughtUp: boolean;
  /** @returns `false` once this end is closed; so do the next two */
  send(data: string | Buffer): boolean;
  ping(data: Buffer): boolean;
  close(code: number, reason: string): boolean;
  /** Its socket ends without a close frame; what was sent before arrives. */
  end(): void;
  /** The socket fails under both ends; what was sent before arrives. */
  fail(error: Error): void;
  /** The same, and what is on its way is lost. */
  reset(error: Error): void;
  /** It is gone and the server hears nothing of it. */
  vanish(): void;
  /** Reads nothing until `read` or `resume`. */
  stall(): void;
  /** Reads so many bytes, now or when they come, and then nothing. */
  read(bytes: number): void;
  resume(): void;
  /** What is sent from now on takes so many milliseconds, in both directions. */
  delay(ms: number): void;
}
