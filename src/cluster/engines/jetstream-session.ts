/**
 * The store `jetstream()` from `open` to `close`: publishes what is appended, reads rooms by short-lived consumers, and hands over what comes. A message
 * is published once: what is on the way while the connection breaks is lost, or arrives.
 */
import type {
  HistoryHost,
  HistoryQuery,
  HistoryReading,
  MessageToKeep,
  StoredMessage,
} from "../../api/history-store.js";
import { positionOf, readPosition } from "../../history/position.js";
import { Backlog } from "./backlog.js";
import type { HistorySession } from "./engine-history.js";
import type { StreamConsumer } from "./jetstream-consumer.js";
import { JetStreamFeeds } from "./jetstream-feeds.js";
import { JetStreamLink, type JetStreamLinkParts } from "./jetstream-link.js";
import { headOf, LateMessages, type StreamMessage, startHead, storedOf } from "./jetstream-messages.js";

/** How much longer than `maxAgeMs` the engine keeps messages: the clocks of nodes and engine differ. */
const SPARE_MS = 60_000;
/** The head of a message, and what the client adds. */
const MAX_HEAD_BYTES = 1_024;
/** How often a start is tried while other nodes append. */
const MAX_STARTS = 10;
const WRONG_LAST = 10_071;
/**
 * How many more messages of a room than `maxMessages` the stream has, which readings leave out: what is new must not go before every node has got it,
 * and the start of a room takes a place.
 */
const SPARE_MESSAGES = 1_001;

const NOTHING: readonly StoredMessage[] = [];

type LinkSettings = Pick<JetStreamLinkParts, "dialer" | "library" | "stream">;

export class JetStreamSession implements HistorySession {
  readonly #host: HistoryHost;
  readonly #prefix: string;
  readonly #link: JetStreamLink;
  readonly #feeds: JetStreamFeeds;
  readonly #backlog = new Backlog();
  /** Names this store in messages. */
  readonly #writer: string;
  #count = 0;
  #lastAnswer: Promise<void> = Promise.resolve();
  #lost = 0;
  #first: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;
  #isAway = false;

  constructor(host: HistoryHost, prefix: string, settings: LinkSettings) {
    this.#host = host;
    this.#prefix = `${prefix}.@history.`;
    this.#writer = host.newEpoch();
    const { clock, log, maxMessages, maxAgeMs } = host;
    this.#link = new JetStreamLink({
      ...settings,
      clock,
      subjects: `${this.#prefix}>`,
      limits: { maxMessages: maxMessages + SPARE_MESSAGES, maxAgeMs: maxAgeMs + SPARE_MS },
      onUp: () => this.#onUp(),
      onDown: (error) => this.#onDown(error),
    });
    this.#feeds = new JetStreamFeeds({
      clock,
      link: this.#link,
      maxRecent: maxMessages,
      subjectOf: (room) => this.#prefix + room,
      onMissing: (room) => log.warn({ room }, "jetstream: messages may have been missed while the engine was away"),
      onRefused: (err) => log.error({ err }, "jetstream: the engine refuses a subscription"),
    });
  }

  get takes(): boolean {
    return this.#link.takes && !this.#backlog.isFull;
  }

  /** Rejects if the first attempt fails. */
  async connect(): Promise<void> {
    const connected = new Promise<void>((resolve, reject) => {
      this.#first = { resolve, reject };
    });
    void this.#link.connect();
    await connected;
  }

  /** Goes on trying. */
  connectLater(): void {
    void this.#link.connect();
  }

  append(entry: MessageToKeep): void {
    const { length } = entry.bytes;
    if (!this.takes) this.#onLost(new Error("jetstream: the engine takes no messages now"));
    else if (length + MAX_HEAD_BYTES > this.#link.maxBytes) this.#onLost(tooLarge(length, this.#link.maxBytes));
    else this.#lastAnswer = this.#publish(entry, this.#backlog.add(length));
  }

  /** What was appended before the call has to be in the stream first. */
  async read(room: string, { after, last, limit }: HistoryQuery): Promise<HistoryReading> {
    const own = this.#count;
    await this.#lastAnswer;
    if (after === undefined)
      return await this.#readLast(room, Math.min(last ?? limit, limit, this.#host.maxMessages), own);
    const { epoch, number } = readPosition(after) ?? {};
    if (epoch !== this.#link.epoch || number === undefined) return await this.#nothing("unknown", room);
    return await this.#readAfter(room, number, limit, own);
  }

  subscribe(room: string, onEntry: (entry: StoredMessage) => void): Promise<() => void> {
    return this.#feeds.subscribe(room, onEntry);
  }

  async close(): Promise<void> {
    this.#feeds.close();
    await this.#link.close();
  }

  get #cutoff(): number {
    return this.#host.clock.now() - this.#host.maxAgeMs;
  }

  async #publish(entry: MessageToKeep, confirmed: () => void): Promise<void> {
    try {
      await this.#link.publish(this.#prefix + entry.room, headOf(entry, this.#writer, ++this.#count), entry.bytes);
    } catch (error) {
      // The engine has refused, say because its storage is full.
      if (this.#link.isUp) this.#link.pause();
      this.#onLost(error);
    } finally {
      confirmed();
    }
  }

  /** Told once for all messages of a step. */
  #onLost(error: unknown): void {
    if (this.#lost++ > 0) return;
    this.#host.clock.soon(() => {
      const count = this.#lost;
      this.#lost = 0;
      this.#host.lost(count, error);
    });
  }

  async #readLast(room: string, count: number, own: number): Promise<HistoryReading> {
    const messages = count === 0 ? [] : this.#young(await this.#collect(room, this.#feeds.startOf(room, count), own));
    const entries = messages.filter(({ kind }) => kind !== "start").slice(messages.length === 0 ? 0 : -count);
    return await this.#complete(room, entries, messages.at(-1)?.seq);
  }

  async #readAfter(room: string, seq: number, limit: number, own: number): Promise<HistoryReading> {
    // Nothing has the number 0.
    const [anchor, ...messages] = seq === 0 ? [] : await this.#collect(room, seq, own);
    const entries = messages.filter(({ kind }) => kind !== "start");
    // A start has gone with the first message after the start.
    const first = anchor?.kind === "start" ? entries[0] : anchor;
    const isOld = first !== undefined && first.at < this.#cutoff;
    if (anchor?.seq !== seq || isOld) return await this.#nothing("gap", room);
    const { maxMessages } = this.#host;
    const most = Math.min(limit, anchor.kind === "start" ? maxMessages : maxMessages - 1);
    if (entries.length > most) return await this.#nothing("gap", room);
    return await this.#complete(room, entries, (messages.at(-1) ?? anchor).seq);
  }

  async #complete(room: string, entries: readonly StreamMessage[], seq: number | undefined): Promise<HistoryReading> {
    const { epoch } = this.#link;
    return {
      outcome: "complete",
      entries: entries.map((message) => storedOf(room, epoch, message)),
      position: positionOf(epoch, entries.at(-1)?.seq ?? seq ?? (await this.#position(room))),
    };
  }

  async #nothing(outcome: "gap" | "unknown", room: string): Promise<HistoryReading> {
    const seq = await this.#position(room);
    return { outcome, entries: NOTHING, position: positionOf(this.#link.epoch, seq) };
  }

  /** The number of the last message of a room. A room without messages gets a start, which is a message too, but an empty one. */
  async #position(room: string): Promise<number> {
    const subject = this.#prefix + room;
    for (let i = 0; i < MAX_STARTS; i++) {
      const last = await this.#link.last(subject);
      if (last !== undefined && last.at >= this.#cutoff) return last.seq;
      try {
        const head = startHead(this.#writer, this.#host.clock.now());
        return await this.#link.publish(subject, head, new Uint8Array(), last?.seq ?? 0);
      } catch (error) {
        // Another node was first.
        if (!(error instanceof Error && "code" in error && error.code === WRONG_LAST)) throw error;
      }
    }
    throw new Error("the room changes too fast to tell where the room stands");
  }

  /** Without the messages at the front that are too old. */
  #young(messages: readonly StreamMessage[]): readonly StreamMessage[] {
    const cutoff = this.#cutoff;
    const first = messages.findIndex(({ at }) => at >= cutoff);
    return first < 0 ? [] : messages.slice(first);
  }

  /** The messages of a room from a number on, without those that this store has appended after its message `own`. */
  async #collect(room: string, start: number, own: number): Promise<readonly StreamMessage[]> {
    const messages: StreamMessage[] = [];
    let opening: Promise<StreamConsumer> | undefined;
    let forget: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        const onMessage = (message: StreamMessage | undefined, isLast: boolean): void => {
          if (message !== undefined) messages.push(message);
          if (isLast) resolve();
        };
        opening = this.#link.consume(this.#prefix + room, start, { onMessage, onIdle: resolve, onLost: reject });
        opening.then(({ total }) => {
          if (total <= messages.length) resolve();
        }, reject);
        forget = this.#link.onceDown(reject);
      });
    } finally {
      forget?.();
      opening?.then(
        ({ end }) => end(),
        () => {},
      );
    }
    const late = new LateMessages();
    const inOrder = messages.filter((message) => !late.isLate(message));
    const later = inOrder.findIndex(({ writer, count }) => writer === this.#writer && count > own);
    return later < 0 ? inOrder : inOrder.slice(0, later);
  }

  #onUp(): void {
    this.#first?.resolve();
    this.#first = undefined;
    if (this.#isAway) this.#host.log.info({}, "jetstream: the engine is back");
    this.#isAway = false;
    void this.#feeds.onUp();
  }

  #onDown(error: unknown): void {
    this.#first?.reject(error);
    this.#first = undefined;
    this.#backlog.clear();
    this.#feeds.onDown();
    if (!this.#isAway) this.#host.log.warn({ err: error }, "jetstream: the engine is away, and nothing is kept");
    this.#isAway = true;
  }
}

function tooLarge(bytes: number, maxBytes: number): Error {
  const most = Math.max(maxBytes - MAX_HEAD_BYTES, 0);
  return new Error(`jetstream: a message of ${bytes} bytes, but the max_payload of the engine leaves ${most} bytes`);
}
