/**
 * The contracts of the memory transport: what travels between the two ends of a connection, what a test does at the client's end, and
 * what a scheduler of deliveries sees. Serves `link.ts`, `memory-listener.ts` and the test runtime.
 */
import type { ConnectionId } from "../../api/connection.js";
import type { Clock } from "../../runtime/clock.js";
import type { Frame } from "../../transport/frame.js";

/** A step of a clock, as an object: a pipe with a step for each delivery needs no closure. */
export interface ClockStep {
  run(): void;
}

/** The clock of a memory transport. */
export interface StepClock extends Clock {
  soon(step: (() => void) | ClockStep): void;
}

/** Told what a client's end reads. No call follows `onClosed`. */
export interface ClientEndListener {
  /** The answer to a dial: the server has let the client in. Not called for a client that was let in at once. */
  opened?(): void;
  message(data: string | Buffer): void;
  pong(data: Buffer): void;
  onClosed(code: number, reason: string): void;
}

/** What goes from a client to the server. `"request"` is the upgrade request of a dial, `"end"` is the end of the socket without a close frame, `"reset"` its failure. */
export type ToServer =
  | { readonly type: "request"; readonly url: string }
  | { readonly type: "message"; readonly data: string | Buffer }
  | { readonly type: "ping" | "pong"; readonly data: Buffer }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "end" }
  | { readonly type: "reset"; readonly error: Error };

/** The frames of one write of the server, read by the client in order. */
export interface FrameBatch {
  readonly type: "frames";
  readonly frames: readonly Frame[];
  /** How many bytes of the batch still count as untaken. A batch without such bytes may be on its way to several clients. */
  untaken: number;
}

/**
 * What goes from the server to a client. `"opened"` and `"refused"` answer the upgrade request of a dial; `"cut"` is the end of the socket
 * without a close frame.
 */
export type ToClient =
  | FrameBatch
  | { readonly type: "opened" | "refused" }
  | { readonly type: "ping" | "pong"; readonly data: Buffer }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "cut" };

/** Reads one direction of a connection. */
export interface Reader<T> {
  /** Takes an item that has arrived. @returns whether the item was taken whole; if not, the item is delivered again */
  receive(item: T): boolean;
}

/** One direction of a connection, for a {@link DeliveryScheduler}. */
export interface DeliveryQueue<T> {
  /** The next item to arrive; `undefined` if no item can arrive. */
  readonly next: T | undefined;
  /** Delivers `next`. */
  deliver(): void;
}

/** Both directions of a connection, for a {@link DeliveryScheduler}. */
export interface ScheduledLink {
  /** `""` until the server has let the client in. */
  readonly id: ConnectionId;
  /** Who dials, for traces: the client's name as long as there is no id. */
  readonly caller: string;
  /** The peers speak the wire of sessions. */
  readonly isSession: boolean;
  readonly toServer: DeliveryQueue<ToServer>;
  readonly toClient: DeliveryQueue<ToClient>;
  readonly client: ClientEnd;
  /** The client's end is open; a stalled client counts as open. */
  readonly isClientOpen: boolean;
  /** Nothing will arrive at either end any more. */
  readonly isOver: boolean;
}

/** Decides in which order items arrive, in place of the clock's steps. */
export interface DeliveryScheduler {
  /** A connection was let in, or dialled: from now on the scheduler triggers each of its deliveries. */
  add(link: ScheduledLink): void;
}

/** What a test does at the client's end. Sending only puts an item on its way. */
export interface ClientEnd {
  /** How many bytes of sent messages the server has not read. */
  readonly unreadBytes: number;
  /** Nothing is on its way to the client. */
  readonly isCaughtUp: boolean;
  /** How many frames of the batch that arrives next were read before. */
  readonly framesRead: number;
  /** `vanish` was called while this end was open. */
  readonly hasVanished: boolean;
  /** What a fault of an explored run has done to this end: `"stalled"` until another fault lets the end read again. */
  fault: "stalled" | "hit" | undefined;
  /** @returns `false` once this end is closed; so do `ping` and `close` */
  send(data: string | Buffer): boolean;
  ping(data: Buffer): boolean;
  close(code: number, reason: string): boolean;
  /** Ends the socket without a close frame; what was sent before arrives. */
  disconnect(): void;
  /** The socket fails under both ends; what was sent before arrives. */
  fail(error: Error): void;
  /** As `fail`, but everything on its way is lost. */
  reset(error: Error): void;
  /**
   * The cable is pulled: from now on nothing crosses the link, and neither end is told. What is on its way is lost, an upgrade request and
   * the answer to the request included. This end is open until
   * `disconnect`, `fail` or `reset`, of which the server gets no sign.
   */
  vanish(): void;
  /** Reads nothing until `read` or `resume`. */
  stall(): void;
  /** Reads at most `bytes` bytes, now or when more arrive, and then nothing. */
  read(bytes: number): void;
  resume(): void;
  /** From now on each item takes `ms` milliseconds, in both directions. */
  delay(ms: number): void;
}
