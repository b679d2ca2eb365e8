/** The stream of `jetstream()`: found, brought to the limits of the store, or made. Nodes that start together make one stream. */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { NANOS } from "./jetstream-consumer.js";

const MIN_AGE_MS = 1_000;
const MAX_AGE_MS = 1_000_000_000_000;
/** The engine may know of a message twice for this time. */
const DUPLICATES_MS = 1_000;
const NO_STREAM = 10_059;
/** The year in which a stream was made that is not made yet, and how often the engine is asked for the stream meanwhile. */
const NEVER = "0001-";
const MAX_ASKS = 100;

interface StreamLimits {
  readonly maxMessages: number;
  readonly maxAgeMs: number;
}

export interface StreamWanted {
  /** The name of the stream. */
  readonly stream: string;
  /** What the stream takes. */
  readonly subjects: string;
  readonly limits: StreamLimits;
}

/** Finds the stream, with the limits of this store, or makes the stream. What an administrator has set besides stays. */
export async function findStream(
  { streams }: JetStreamManager,
  { stream, subjects, limits }: StreamWanted,
): Promise<StreamInfo> {
  const age = Math.min(Math.max(Math.ceil(limits.maxAgeMs), MIN_AGE_MS), MAX_AGE_MS) * NANOS;
  const config = { subjects: [subjects], max_msgs_per_subject: limits.maxMessages, max_age: age };
  try {
    const found = await streams.info(stream);
    if (found.created.startsWith(NEVER)) return await askStream(streams, stream, Promise.resolve());
    // The numbers of a stream in memory begin anew after a restart, and would stand for other messages.
    if (found.config.storage !== "file") throw new Error(`the stream ${stream} is in memory: expected a file`);
    const isSame = found.config.max_msgs_per_subject === limits.maxMessages && found.config.max_age === age;
    return isSame ? found : await streams.update(stream, { ...found.config, ...config });
  } catch (error) {
    if (!isGone(error)) throw error;
    const own = { storage: "file", discard: "old", duplicate_window: DUPLICATES_MS * NANOS } as const;
    const added = streams.add({ name: stream, ...config, ...own });
    // Of nodes that make the stream together, some are refused, or are told no time of creation. Whether the stream is there counts.
    await added.catch(() => {});
    return await askStream(streams, stream, added);
  }
}

async function askStream(
  streams: JetStreamManager["streams"],
  stream: string,
  added: Promise<unknown>,
): Promise<StreamInfo> {
  for (let i = 0; i < MAX_ASKS; i++) {
    const found = await streams.info(stream).catch(() => undefined);
    if (found === undefined) await added;
    else if (!found.created.startsWith(NEVER)) return found;
  }
  throw new Error(`the stream ${stream} could not be made`);
}

/** Whether somebody has deleted the stream: then nobody answers what is published. */
export function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "JetStreamNotEnabled" || ("code" in error && error.code === NO_STREAM);
}
