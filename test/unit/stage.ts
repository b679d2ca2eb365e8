/** The stage of unit tests: transports and a listener driven by hand, and a logger that keeps each line. */

import type { Gate } from "../../src/admission/gate.js";
import type { Head } from "../../src/admission/request-head.js";
import { joinHeaders } from "../../src/admission/request-head.js";
import { readSessionOffer } from "../../src/admission/session-offer.js";
import type { ConnectionId } from "../../src/api/connection.js";
import type { Address } from "../../src/http/listen.js";
import type { Logger } from "../../src/runtime/logger.js";
import { createServer } from "../../src/server/create-server.js";
import type { Listener } from "../../src/server/listener.js";
import type { LiveServer } from "../../src/server/live-server.js";
import { HandClock } from "../../src/testing/runtime/clock.js";
import type { Frame } from "../../src/transport/frame.js";
import type { Admission, Transport, TransportListener } from "../../src/transport/transport.js";

interface Line {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly details: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A logger that keeps every line. */
export class Lines implements Logger {
  readonly level: string;
  readonly lines: Line[] = [];

  constructor(level = "info") {
    this.level = level;
  }

  debug(details: object, line: string): void {
    this.#keep("debug", details, line);
  }
  info(details: object, line: string): void {
    this.#keep("info", details, line);
  }
  warn(details: object, line: string): void {
    this.#keep("warn", details, line);
  }
  error(details: object, line: string): void {
    this.#keep("error", details, line);
  }
  child(): Logger {
    return this;
  }

  /** The lines of one level, with their details. */
  at(level: Line["level"]): (readonly [text: string, details: Line["details"]])[] {
    return this.lines.filter((line) => line.level === level).map(({ text, details }) => [text, details] as const);
  }

  #keep(level: Line["level"], details: object, text: string): void {
    this.lines.push({ level, details: { ...details }, text });
  }
}

/** A transport driven by the test, which records each call. */
export class HandTransport implements Transport {
  readonly name = "memory";
  readonly calls: string[] = [];
  isOpen = true;
  untakenBytes = 0;
  bytesRead = 0;
  isDelayed = false;
  isFull = false;
  /** Called by each `write`; it may throw. */
  onWrite: (frames: readonly Frame[]) => void = () => {};
  /** Called by each `pause`; it may throw. */
  onPause: () => void = () => {};
  #listener: TransportListener | undefined;

  /** The listener returned by the server when the transport was accepted. */
  get listener(): TransportListener {
    if (this.#listener === undefined) throw new Error("this transport was not accepted");
    return this.#listener;
  }
  set listener(peer: TransportListener) {
    this.#listener = peer;
  }

  mustWait(): boolean {
    return this.isFull;
  }
  write(frames: readonly Frame[]): boolean {
    if (!this.isOpen) return false;
    this.calls.push(`write ${frames.map(({ data }) => String(data)).join(" ")}`);
    this.onWrite(frames);
    return true;
  }
  ping(data: Buffer): void {
    this.calls.push(`ping ${data}`.trimEnd());
  }
  pong(data: Buffer): void {
    this.calls.push(`pong ${data}`.trimEnd());
  }
  close(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.calls.push(`close ${code} ${reason}`.trimEnd());
  }
  terminate(): void {
    this.isOpen = false;
    this.calls.push("terminate");
  }
  pause(): void {
    this.calls.push("pause");
    this.onPause();
  }
  resume(): void {
    this.calls.push("resume");
  }

  /** The socket has ended. */
  end(code = 1006, reason = ""): void {
    this.isOpen = false;
    this.listener.onTransportClosed(code, reason);
  }

  /** The calls since the last `take`. */
  take(): string[] {
    return this.calls.splice(0);
  }
}

type Refusal = Exclude<Awaited<ReturnType<Gate["admit"]>>, Admission>;

class HandListener implements Listener {
  readonly address: Address = { host: "memory", port: 0, isSecure: false };
  gate: Gate | undefined;

  async open(gate: Gate): Promise<void> {
    this.gate = gate;
  }
  async close(): Promise<void> {}
}

export function headOf(url: string, headers: Readonly<Record<string, string>> = {}): Head {
  const head = {
    url,
    headers: joinHeaders(Object.entries(headers).flat()),
    version: 13,
    remoteAddress: "127.0.0.1",
    remotePort: 1,
    localAddress: "127.0.0.1",
    secure: false,
  };
  return head;
}

/** What a request of a hand-driven peer has beside its path. */
export interface HandRequest {
  readonly protocols?: readonly string[];
  readonly transport?: HandTransport;
}

/** A server whose connections are {@link HandTransport}s. */
export class HandStage {
  readonly clock = new HandClock();
  readonly server: LiveServer;
  readonly #listener = new HandListener();
  #ids = 0;

  private constructor(options: object) {
    this.server = createServer(
      { logger: false, ...options },
      {
        clock: this.clock,
        newId: () => `c${++this.#ids}` as ConnectionId,
        createListener: () => this.#listener,
      },
    );
  }

  static async open(options: object): Promise<HandStage> {
    const stage = new HandStage(options);
    await stage.server.start();
    return stage;
  }

  /** A connection just accepted, or the reason for the refusal. @param protocols the subprotocols on offer */
  async admit(
    url: string,
    { protocols = [], transport = new HandTransport() }: HandRequest = {},
  ): Promise<HandTransport | Refusal> {
    if (this.#listener.gate === undefined) throw new Error("the server is not listening");
    const answer = await this.#listener.gate.admit({
      at: this.clock.now(),
      head: headOf(url),
      headers: {},
      raw: undefined,
      signal: new AbortController().signal,
      sessionOffer: readSessionOffer(["sec-websocket-protocol", protocols.join(", ")]),
    });
    if ("status" in answer) return answer;
    transport.listener = answer.accept(transport);
    return transport;
  }

  /** A connection whose `open` has been handled. */
  async connect(url = "/", request: HandRequest = {}): Promise<HandTransport> {
    const transport = await this.admit(url, request);
    if ("status" in transport) throw new Error(transport.body);
    await this.settle();
    return transport;
  }

  /** Everything that can go on without time passing has done so. */
  async settle(): Promise<void> {
    do {
      this.clock.runSteps();
      await nextRound();
    } while (this.clock.hasSteps);
  }

  /** Lets time pass, alarm by alarm. */
  async advance(ms: number): Promise<void> {
    const limit = this.clock.now() + ms;
    await this.settle();
    while (this.clock.ringNext(limit)) await this.settle();
  }
}

export function nextRound(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
