/**
 * What happens behind `SessionsDemo.vue`: a Sendall server and two clients of `sendall/client`, over the transport in memory of
 * `sendall/testing`. Nothing here knows how a session works; the stage sends, cuts, and counts what arrives. `sendall-in-a-page.ts` bundles
 * this file with the server.
 */
import type { Connection, ServerEvent } from "sendall";
import { createTestRuntime, type DialledClient, type TestRuntime } from "sendall/testing";
import { type Counts, type Fate, Ledger } from "./ledger.js";

/** How long a message takes on the cable. What is on its way is lost when the cable is pulled. */
const LATENCY_MS = 60;
/** How often the virtual time of the runtime follows the time of the page, and the most that one step makes up for: a hidden page sleeps. */
const STEP_MS = 40;
const LONGEST_STEP_MS = 250;

export type SideName = "session" | "plain";
/** `"up"` is from the page to the server. */
export type Way = "up" | "down";

export interface SentMessage {
  readonly n: number;
  readonly way: Way;
  readonly text: string;
}

export interface SideView {
  /** The state of the client in the page. */
  readonly state: string;
  /** What the handler at the server, and `onOpen` in the page, were last told. */
  readonly handler: string;
  readonly page: string;
  readonly counts: Counts;
  readonly arrivals: Readonly<Record<Way, readonly number[]>>;
  fateOf(message: SentMessage): Fate;
}

class Side implements SideView {
  readonly #ledgers = { up: new Ledger(), down: new Ledger() };
  readonly #onChange: () => void;
  #client: DialledClient | undefined;
  #connection: Connection | undefined;
  handler = "nothing yet";
  page = "nothing yet";

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get state(): string {
    return this.#client?.state ?? "closed";
  }

  get counts(): Counts {
    const [up, down] = [this.#ledgers.up.counts(), this.#ledgers.down.counts()];
    const sum = (name: keyof Counts): number => up[name] + down[name];
    return {
      sent: sum("sent"),
      arrived: sum("arrived"),
      lost: sum("lost"),
      twice: sum("twice"),
      waiting: sum("waiting"),
    };
  }

  get arrivals(): SideView["arrivals"] {
    return { up: this.#ledgers.up.arrivals, down: this.#ledgers.down.arrivals };
  }

  fateOf({ n, way }: SentMessage): Fate {
    return this.#ledgers[way].fateOf(n) ?? "waits";
  }

  dial(runtime: TestRuntime, path: string, isPlugged: () => boolean, options: { session?: boolean }): void {
    this.#client = runtime.dial(path, {
      ...options,
      // A request without a network fails before it leaves.
      headers: () => {
        if (!isPlugged()) throw new Error("the cable is out");
        return {};
      },
      reconnect: { minMs: 100, maxMs: 400 },
      // A plain WebSocket keeps nothing that it cannot send.
      ...(options.session === false && { offline: { maxMessages: 0 } }),
      onOpen: ({ why, replayed, lost }) => {
        this.page = why === "resumed" || why === "gap" ? `${why}: ${replayed} replayed, ${lost} lost` : why;
        if (why === "plain") for (const ledger of Object.values(this.#ledgers)) ledger.startAfresh();
        this.#onChange();
      },
      onMessage: (json) => this.#arrived("down", String(json)),
    });
    this.#client.subscribe(this.#onChange);
  }

  /** The handler of the server, for this side's route. */
  handle(event: ServerEvent): void {
    switch (event.type) {
      case "open":
        this.#connection = event.connection;
        break;
      case "message":
        this.#arrived("up", event.text);
        return;
      case "closed":
        // A client may be back before the server has noticed that the old socket is dead.
        if (this.#connection !== event.connection) break;
        this.#connection = undefined;
        this.#ledgers.down.startAfresh();
        break;
    }
    if (event.type === "back") this.handler = `back: ${event.replayed} replayed, ${event.lost} lost`;
    else if (event.type === "closed") this.handler = `closed: ${event.code}`;
    else this.handler = event.type;
    this.#onChange();
  }

  /** The server and the page both send. */
  say({ n, way, text }: SentMessage): void {
    const json = JSON.stringify({ n, text });
    const end = way === "up" ? this.#client : this.#connection;
    this.#ledgers[way].sent(n, end?.send(json) ?? false);
  }

  /** Nothing crosses any more. The page learns of it from its network, and the server by its heartbeat. */
  cut(): void {
    this.#client?.vanish();
    this.#client?.fail();
  }

  #arrived(way: Way, json: string): void {
    this.#ledgers[way].arrived(JSON.parse(json).n);
    this.#onChange();
  }
}

export class Stage {
  readonly sides: Readonly<Record<SideName, Side>>;
  readonly #runtime: TestRuntime;
  readonly #delayed = new WeakSet<object>();
  readonly #messages: SentMessage[] = [];
  readonly #onChange: () => void;
  #isPlugged = true;
  #isOver = false;
  /** What a pause of the page's time waits for. */
  #shown: Promise<void> = Promise.resolve();
  #show: (() => void) | undefined;

  /** @param onChange called whenever there is something new to show */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
    const session = new Side(onChange);
    const plain = new Side(onChange);
    this.sides = { session, plain };
    this.#runtime = createTestRuntime({
      failures: "supervise",
      // The defaults take 45 s to find out that a client is away.
      heartbeat: { intervalMs: 1_000, timeoutMs: 1_000 },
      routes: {
        "/session": { resume: true, handler: (event: ServerEvent) => session.handle(event) },
        "/plain": { handler: (event: ServerEvent) => plain.handle(event) },
      },
    });
    const isPlugged = (): boolean => this.#isPlugged;
    session.dial(this.#runtime, "/session", isPlugged, {});
    plain.dial(this.#runtime, "/plain", isPlugged, { session: false });
    void this.#run();
  }

  get isPlugged(): boolean {
    return this.#isPlugged;
  }

  /** Everything that was sent, in order. */
  get messages(): readonly SentMessage[] {
    return this.#messages;
  }

  /** Both ends of both sides send: the same messages, so that what becomes of them can be compared. */
  say(text: string): void {
    const n = this.#messages.length / 2 + 1;
    for (const way of ["down", "up"] as const) {
      const message = { n, way, text };
      this.#messages.push(message);
      for (const side of Object.values(this.sides)) side.say(message);
    }
    this.#onChange();
  }

  pull(): void {
    this.#isPlugged = false;
    for (const side of Object.values(this.sides)) side.cut();
    this.#onChange();
  }

  plugIn(): void {
    this.#isPlugged = true;
    this.#onChange();
  }

  /** Stops the time of the server and its clients, and lets it go on. */
  setRunning(isRunning: boolean): void {
    if (isRunning) {
      this.#show?.();
      this.#show = undefined;
    } else if (this.#show === undefined) {
      this.#shown = new Promise((resolve) => {
        this.#show = resolve;
      });
    }
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.setRunning(true);
    await this.#runtime.close();
  }

  /** The virtual time of the runtime follows the time of the page. */
  async #run(): Promise<void> {
    let last = performance.now();
    while (!this.#isOver) {
      const now = performance.now();
      await this.#runtime.advance(Math.min(now - last, LONGEST_STEP_MS));
      last = now;
      this.#delayNewcomers();
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      await this.#shown;
    }
  }

  #delayNewcomers(): void {
    for (const client of this.#runtime.clients) {
      if (this.#delayed.has(client)) continue;
      this.#delayed.add(client);
      client.delay(LATENCY_MS);
    }
  }
}
