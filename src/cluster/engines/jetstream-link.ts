/**
 * The connection of `jetstream()` to NATS: makes the stream, publishes, and consumes. The only file that loads `@nats-io/jetstream`, an optional peer
 * dependency. Each store opens a link, and closes the link.
 */
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { Clock, Timer } from "../../runtime/clock.js";
import { within } from "../../runtime/promises.js";
import { importClient } from "./adapter-setup.js";
import { type ConsumerEvents, consumerConfig, openConsumer, type StreamConsumer } from "./jetstream-consumer.js";
import { HEADER, readStreamMessage, type StreamMessage } from "./jetstream-messages.js";
import { findStream, isGone, type StreamWanted } from "./jetstream-stream.js";
import type { NatsClient, NatsDialer } from "./nats-connection.js";
import { SocketTracker } from "./socket-tracker.js";

type Library = typeof import("@nats-io/jetstream");

export interface JetStreamLinkParts extends StreamWanted {
  readonly clock: Clock;
  readonly dialer: NatsDialer;
  readonly library: Library;
  readonly onUp: () => void;
  readonly onDown: (error: unknown) => void;
}

/** A message without an answer for so long is lost. */
const PUBLISH_MS = 60_000;
/** After a refusal nothing is published for this time. */
const PAUSE_MS = 1_000;
const CLOSE_MS = 1_000;

interface Connected {
  readonly nats: NatsClient;
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
}

export class JetStreamLink {
  readonly #parts: JetStreamLinkParts;
  readonly #sockets = new SocketTracker();
  /** Rejects what waits for an answer when the connection is lost. */
  readonly #waiting = new Set<(error: unknown) => void>();
  #nats: NatsClient | undefined;
  #js: JetStreamClient | undefined;
  #manager: JetStreamManager | undefined;
  #epoch = "";
  #timer: Timer | undefined;
  #pause: Timer | undefined;
  #lastError: unknown;
  /** Counts greetings and breaks: the answers to an earlier greeting are void. */
  #greetings = 0;
  #isUp = false;
  #isClosed = false;

  constructor(parts: JetStreamLinkParts) {
    this.#parts = parts;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Whether the engine takes messages as far as the link knows. */
  get takes(): boolean {
    return this.#isUp && this.#pause === undefined;
  }

  /** Names the stream: another stream of the same name was made at another time. */
  get epoch(): string {
    return this.#epoch;
  }

  get maxBytes(): number {
    return this.#nats?.info?.max_payload ?? 0;
  }

  async connect(): Promise<void> {
    try {
      const nats = await this.#sockets.track(() => this.#parts.dialer.dial(this.#sockets));
      if (this.#isClosed) {
        await nats.close();
        return;
      }
      this.#nats = nats;
      void this.#followStatus(nats);
      nats.closed().then((error) => this.#reconnectLater(nats, error ?? new Error("the connection was closed")));
      await this.#greet(nats);
    } catch (error) {
      this.#sockets.terminate();
      this.#reconnectLater(undefined, error);
    }
  }

  /** @returns the number in the stream. @param after the message goes into the stream if the last message of the subject has this number */
  async publish(subject: string, head: string, bytes: Uint8Array, after?: number): Promise<number> {
    const { dialer } = this.#parts;
    const headers = dialer.newHeaders();
    headers.set(HEADER, head);
    const expect = after === undefined ? {} : { expect: { lastSubjectSequence: after } };
    const { seq } = await this.#answered(({ js }) =>
      js.publish(subject, bytes, { headers, timeout: PUBLISH_MS, ...expect }),
    );
    return seq;
  }

  /** The last message of a subject. */
  async last(subject: string): Promise<StreamMessage | undefined> {
    const { stream } = this.#parts;
    const found = await this.#answered(({ manager }) => manager.streams.getMessage(stream, { last_by_subj: subject }));
    return found === null ? undefined : readStreamMessage(found.seq, found.header.get(HEADER), found.data);
  }

  /** @param start the number of the first message, or what comes from now on */
  consume(subject: string, start: number | "new", events: ConsumerEvents): Promise<StreamConsumer> {
    const { dialer, stream } = this.#parts;
    const { nats } = this.#connected();
    return openConsumer({
      nats,
      inbox: dialer.newInbox(),
      events,
      create: (inbox) =>
        this.#answered(({ manager }) => manager.consumers.add(stream, consumerConfig(subject, start, inbox))),
      forget: (name) => {
        if (this.#isUp) this.#manager?.consumers.delete(stream, name).catch(() => {});
      },
    });
  }

  /** Calls back once if the connection is lost. @returns takes the callback back */
  onceDown(onDown: (error: unknown) => void): () => void {
    this.#waiting.add(onDown);
    return () => this.#waiting.delete(onDown);
  }

  /** The engine has refused a message: the next would be refused too. */
  pause(): void {
    this.#pause ??= this.#parts.clock.after(PAUSE_MS, () => {
      this.#pause = undefined;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isUp = false;
    this.#timer?.cancel();
    this.#pause?.cancel();
    const nats = this.#nats;
    if (nats !== undefined) {
      await within(
        this.#parts.clock,
        CLOSE_MS,
        nats.flush().catch(() => {}),
      );
      await nats.close();
    }
    this.#rejectAll(new Error("the store of history is closed"));
    this.#sockets.stop();
  }

  #connected(): Connected {
    const [nats, js, manager] = [this.#nats, this.#js, this.#manager];
    if (this.#isUp && nats !== undefined && js !== undefined && manager !== undefined) return { nats, js, manager };
    const cause = this.#lastError;
    throw new Error(`the engine cannot be reached${cause instanceof Error ? `: ${cause.message}` : ""}`, { cause });
  }

  /** Rejects also when the connection is lost: the client would wait on. */
  async #answered<T>(ask: (to: Connected) => Promise<T>): Promise<T> {
    const asked = ask(this.#connected());
    return await new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject);
      asked.then(resolve, reject).finally(() => this.#waiting.delete(reject));
      asked.catch((error: unknown) => {
        if (isGone(error)) this.#check();
      });
    });
  }

  /** The stream may be gone: looks for the stream, or makes the stream anew. */
  #check(): void {
    const nats = this.#nats;
    if (!this.#isUp || nats === undefined) return;
    this.#onDown(new Error("the stream is gone"));
    void this.#greet(nats);
  }

  #rejectAll(error: unknown): void {
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  async #greet(nats: NatsClient): Promise<void> {
    const { library, clock, dialer, onUp } = this.#parts;
    const greeting = ++this.#greetings;
    const isOver = (): boolean => this.#isClosed || greeting !== this.#greetings || nats.isClosed();
    try {
      const manager = await library.jetstreamManager(nats);
      const { created } = await findStream(manager, this.#parts);
      if (isOver()) return;
      this.#manager = manager;
      this.#js = library.jetstream(nats);
      this.#epoch = created.replaceAll(/\D/g, "");
      this.#isUp = true;
      onUp();
    } catch (error) {
      if (isOver()) return;
      this.#onDown(this.#explain(error));
      this.#timer = clock.after(dialer.retryMs, () => void this.#greet(nats));
    }
  }

  #explain(error: unknown): unknown {
    if (!(error instanceof Error) || error.name !== "JetStreamNotEnabled") return error;
    const how = 'start nats-server with --jetstream, or with "jetstream {}" in its configuration';
    return new Error(`the engine has no JetStream: ${how}`, { cause: error });
  }

  async #followStatus(nats: NatsClient): Promise<void> {
    let lastError: Error | undefined;
    for await (const status of nats.status()) {
      if (this.#isClosed) return;
      if (status.type === "error") lastError = status.error;
      else if (status.type === "staleConnection") lastError = new Error("it does not answer pings");
      else if (status.type === "disconnect") this.#onDown(lastError ?? new Error("the connection was lost"));
      else if (status.type === "reconnect") {
        lastError = undefined;
        void this.#greet(nats);
      }
    }
  }

  #onDown(error: unknown): void {
    this.#lastError = error;
    this.#isUp = false;
    this.#greetings++;
    this.#timer?.cancel();
    this.#rejectAll(error);
    this.#parts.onDown(error);
  }

  #reconnectLater(of: NatsClient | undefined, error: unknown): void {
    if (this.#isClosed || this.#nats !== of) return;
    this.#nats = undefined;
    this.#onDown(error);
    const { clock, dialer } = this.#parts;
    this.#timer = clock.after(dialer.retryMs, () => void this.connect());
  }
}

/** Loads the client of JetStream. */
export function loadJetStream(): Promise<Library> {
  return importClient("jetstream", "@nats-io/jetstream", () => import("@nats-io/jetstream"), "history");
}
