/**
 * Consumers of the stream of `jetstream()`: bring the messages of one room in order, and notice when something was left out. A feed has a consumer
 * while the feed lasts, a reading has one until everything has come.
 */
import type { ConsumerInfo } from "@nats-io/jetstream";
import { HEADER, readDelivery, readStreamMessage, type StreamMessage } from "./jetstream-messages.js";
import type { NatsClient, NatsMessage } from "./nats-connection.js";
import { untracked } from "./socket-tracker.js";

export const NANOS = 1_000_000;
/** How often the engine says that nothing has come, and how long the engine keeps a consumer that nobody hears. */
export const BEAT_MS = 5_000;
const INACTIVE_MS = 30_000;
const CONTROL = 100;

/** What a consumer brings. */
export interface ConsumerEvents {
  /** @param isLast nothing else waits in the stream; `message` is `undefined` for what no store has put there */
  onMessage(message: StreamMessage | undefined, isLast: boolean): void;
  /** Everything has come so far. */
  onIdle(): void;
  /** The consumer has ended, or something was left out. */
  onLost(error: Error): void;
}

export interface StreamConsumer {
  /** The number in the stream that was the last at the beginning, for what comes from now on. */
  readonly begin: number;
  /** How many messages there were at the beginning. */
  readonly total: number;
  end(): void;
}

interface ConsumerParts {
  readonly nats: NatsClient;
  /** The subject on which messages come. */
  readonly inbox: string;
  readonly events: ConsumerEvents;
  readonly create: (inbox: string) => Promise<ConsumerInfo>;
  readonly forget: (name: string) => void;
}

/** What the engine is asked for. Such a consumer goes by itself when nobody hears it. */
export function consumerConfig(subject: string, start: number | "new", inbox: string): Partial<ConsumerInfo["config"]> {
  return {
    deliver_subject: inbox,
    filter_subject: subject,
    ack_policy: "none",
    mem_storage: true,
    num_replicas: 1,
    flow_control: true,
    idle_heartbeat: BEAT_MS * NANOS,
    inactive_threshold: INACTIVE_MS * NANOS,
    ...(start === "new"
      ? { deliver_policy: "new" }
      : { deliver_policy: "by_start_sequence", opt_start_seq: Math.max(start, 1) }),
  };
}

/** Resolves when the engine has confirmed; messages may come earlier. */
export async function openConsumer({ nats, inbox, events, create, forget }: ConsumerParts): Promise<StreamConsumer> {
  let received = 0;
  let isOver = false;
  const onMessage = (error: Error | null, message: NatsMessage): void => {
    if (isOver) return;
    if (error !== null) events.onLost(error);
    else if (message.headers?.code === CONTROL) onControl(nats, message, received, events);
    else if (message.headers !== undefined && message.headers.code > CONTROL)
      events.onLost(new Error(message.headers.description));
    else {
      const delivery = readDelivery(message);
      if (delivery?.consumerSeq !== received + 1) {
        events.onLost(new Error("a message was left out"));
        return;
      }
      received++;
      const { seq, pending } = delivery;
      events.onMessage(readStreamMessage(seq, message.headers?.get(HEADER), message.data), pending === 0);
    }
  };
  const subscription = nats.subscribe(inbox, { callback: untracked(onMessage) });
  const end = (): void => {
    isOver = true;
    subscription.unsubscribe();
  };
  try {
    const { name, delivered, num_pending } = await create(inbox);
    const { stream_seq, consumer_seq } = delivered;
    return {
      // A message that is on the way may be lost with the connection.
      begin: consumer_seq === 0 ? stream_seq : stream_seq - 1,
      total: num_pending + consumer_seq,
      end: () => {
        end();
        forget(name);
      },
    };
  } catch (error) {
    end();
    throw error;
  }
}

function onControl(nats: NatsClient, message: NatsMessage, received: number, events: ConsumerEvents): void {
  // The engine waits for an answer before more than the client can hold is on the way.
  if (message.reply) {
    message.respond();
    return;
  }
  const stalled = message.headers?.get("Nats-Consumer-Stalled");
  if (stalled) nats.publish(stalled);
  if (Number(message.headers?.get("Nats-Last-Consumer")) === received) events.onIdle();
  else events.onLost(new Error("a message was left out"));
}
