/** The client against a model of it, under any order of what its server, its user and its clock may do. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Client, ClientState } from "../../../src/client.js";
import { ClientStage, settle } from "./stage.js";

const MAX_MESSAGES = 3;
const ATTEMPTS = 4;
const FINAL = [1000, 1008];

type Step =
  | { readonly do: "accept" | "fail" | "message" | "send" | "close" }
  | { readonly do: "end"; readonly code: number }
  | { readonly do: "pass"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Step>({ do: "accept" }, { do: "send" }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: "fail" }, { do: "message" }) },
  { weight: 2, arbitrary: fc.constantFrom(1001, 1011, ...FINAL).map((code): Step => ({ do: "end", code })) },
  { weight: 4, arbitrary: fc.constantFrom(1, 999, 1000, 4000, 10_000, 30_000).map((ms): Step => ({ do: "pass", ms })) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "close" }) },
);

/** What a client is expected to be: no machine, no socket, only the rules. */
class Model {
  state: ClientState = "connecting";
  retries = 0;
  /** When the present state ends by itself, or a connection has proved itself. */
  due: number | undefined = 30_000;
  now = 0;
  queue: string[] = [];
  /** What each socket has been given. */
  sent: string[][] = [[]];
  ends: boolean[] = [];

  accept(): void {
    this.state = "open";
    this.sent.at(-1)?.push(...this.queue.splice(0));
    this.due = this.now + 1000;
  }

  send(text: string): boolean {
    if (this.state === "closed") return false;
    if (this.state === "open") this.sent.at(-1)?.push(text);
    else if (this.queue.length < MAX_MESSAGES) this.queue.push(text);
    else return false;
    return true;
  }

  end(isFinal: boolean): void {
    const willRetry = !isFinal && this.retries < ATTEMPTS;
    this.ends.push(willRetry);
    if (willRetry) {
      this.state = "waiting";
      this.due = this.now + Math.min(10_000, 1000 * 2 ** this.retries);
      this.retries++;
    } else this.over();
  }

  over(): void {
    this.state = "closed";
    this.due = undefined;
    this.queue = [];
  }

  pass(ms: number): void {
    const limit = this.now + ms;
    while (this.due !== undefined && this.due <= limit) {
      this.now = this.due;
      this.due = undefined;
      if (this.state === "open") this.retries = 0;
      else if (this.state === "connecting") this.end(false);
      else if (this.state === "waiting") {
        this.state = "connecting";
        this.due = this.now + 30_000;
        this.sent.push([]);
      }
    }
    this.now = limit;
  }
}

/** The step that the two take, if it can be taken. */
async function take(one: Step, model: Model, stage: ClientStage, client: Client, text: string): Promise<void> {
  const isAt = (...states: ClientState[]): boolean => states.includes(model.state);
  if (one.do === "pass") {
    model.pass(one.ms);
    await stage.pass(one.ms);
  } else if (one.do === "send") {
    const expected = model.send(text);
    expect(client.send(text)).toBe(expected);
  } else if (one.do === "accept" && isAt("connecting")) {
    model.accept();
    stage.socket.accept();
  } else if (one.do === "fail" && isAt("connecting", "open")) {
    model.end(false);
    stage.socket.fail();
  } else if (one.do === "end" && isAt("open")) {
    model.end(FINAL.includes(one.code));
    stage.socket.end(one.code);
  } else if (one.do === "message" && isAt("open")) {
    model.retries = 0;
    stage.socket.message("x");
  } else if (one.do === "close" && !isAt("closed")) {
    model.ends.push(false);
    model.over();
    client.close();
    await settle();
  }
}

test("a client does what its model does: states, waits, order, bound, and every message over one socket at most", async () => {
  const run = async (steps: Step[]): Promise<void> => {
    const stage = new ClientStage();
    const model = new Model();
    const ends: boolean[] = [];
    const client = stage.connect({
      reconnect: { attempts: ATTEMPTS },
      offline: { maxMessages: MAX_MESSAGES },
      onClose: ({ willRetry }) => ends.push(willRetry),
    });
    for (const [i, one] of steps.entries()) {
      await take(one, model, stage, client, `message ${i}`);
      expect(client.state).toBe(model.state);
      expect(stage.sockets.map(({ sent }) => sent)).toEqual(model.sent);
      expect(ends).toEqual(model.ends);
      expect(stage.waits).toEqual(model.due === undefined ? [] : [model.due - model.now]);
    }
    client.close();
    await settle();
    expect([client.state, stage.waits]).toEqual(["closed", []]);
    // Exactly one end is final, and it is the last thing that is told.
    expect(ends.filter((willRetry) => !willRetry)).toHaveLength(1);
    expect(ends.at(-1)).toBe(false);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), run), { numRuns: 500 });
});
