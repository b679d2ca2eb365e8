/** What a bus is made of: a route or a channel supplies the parts. */
import type { Data } from "../../api/connection.js";
import type { Stats } from "../../api/stats.js";
import type { RemoteBus } from "../../cluster/remote-bus.js";
import type { Clock } from "../../runtime/clock.js";
import type { LevelSource, Logger } from "../../runtime/logger.js";
import type { Turn } from "../../runtime/turn.js";
import type { Frame } from "../../transport/frame.js";
import type { ConnectionQueue } from "./connection-queue.js";
import type { Counters } from "./counters.js";
import type { Mailbox } from "./mailbox.js";
import type { Member } from "./member.js";
import type { Registry } from "./registry.js";

export interface BusParts {
  readonly clock: Clock;
  readonly registry: Registry<Member>;
  /** Absent for a channel, whose members have no outbox of their own. */
  readonly turn?: Turn | undefined;
  readonly mailbox: Mailbox;
  /** The queue of events without a connection. */
  readonly common: ConnectionQueue;
  readonly counters: Counters;
  readonly log: Logger;
  /** Whether each frame is logged. */
  readonly level: LevelSource;
  /** Throws `BAD_DATA`. */
  readonly encode: (data: Data) => Frame;
  /** Whether an `info` event without an addressee goes to each connection. */
  readonly tellsEach: () => boolean;
  readonly stats: () => Stats;
  /** The way to other nodes of a cluster. */
  readonly remoteBus?: RemoteBus | undefined;
}
