/** What a sender is made of: the route and the connection supply the parts. */
import type { Turn } from "../../runtime/turn.js";
import type { RouteMirror } from "../inspection/mirror.js";
import type { Counters } from "../route/counters.js";

export interface OutboxSettings {
  readonly maxBufferedBytes: number;
  readonly slowConsumer: "close" | "dropOldest" | "dropNewest";
}

/** The parts shared by every sender of a route. */
export interface SenderParts {
  readonly settings: { readonly outbox: OutboxSettings };
  readonly turn: Turn;
  readonly counters: Counters;
  readonly mirror: RouteMirror;
}

/** The connection of a sender. */
export interface SenderOwner {
  /** The connection has become a slow consumer; called once until the socket has drained. */
  onSlowConsumer(): void;
  /** Bytes were offered to a text-only transport. */
  onBytesDropped(): void;
  readonly ending: { crash(half: "sender", error: unknown): void };
}
