/**
 * A typed client that calls over a line which drops, delays and cuts, in virtual time and in a process of its own, whose memory a test
 * measures. Plays ten rounds of 10,000 calls, and prints what has become of them: a line of JSON for each round. Wants `--expose-gc`.
 */
import { setImmediate } from "node:timers/promises";
import { connect } from "sendall/client";
import { protocol, refuse } from "sendall/protocol";
import { createTestRuntime } from "sendall/testing";

const gc = globalThis.gc;
if (gc === undefined) throw new Error("wants --expose-gc");

const [ROUNDS, CALLS, MAX_PENDING] = [10, 10_000, 256];
/** The share of frames that are lost on the way, in each direction. */
const DROPPED = 0.03;
const SLOW_MS = 60;

/** Random numbers out of a seed (mulberry32). */
let seed = Number(process.argv[2] ?? 1);
function random() {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}
/** @param {number} limit */
const below = (limit) => Math.floor(random() * limit);

/**
 * @template T
 * @param {(value: any) => boolean} accepts
 * @returns {import("sendall/protocol").Schema<T>}
 */
const schema = (accepts) => ({
  "~standard": {
    version: 1,
    vendor: "by hand",
    validate: (value) => (accepts(value) ? { value: /** @type {T} */ (value) } : { issues: [{ message: "wrong" }] }),
  },
});
/** @typedef {"echo" | "slow" | "refuse" | "fail"} Way */
const lab = protocol({
  fromClient: {
    ask: {
      input: /** @type {typeof schema<{ number: number, way: Way }>} */ (schema)((value) =>
        Number.isInteger(value?.number),
      ),
      output: /** @type {typeof schema<number>} */ (schema)(Number.isInteger),
    },
  },
});

/** How often the handler has run, by call. @type {Map<number, number>} */
const runs = new Map();
const runtime = createTestRuntime({
  failures: "supervise",
  supervise: { intensity: 1_000_000 },
  heartbeat: { intervalMs: 1_000, timeoutMs: 500 },
  handler: lab.handler({
    async ask({ number, way }, { bus }) {
      runs.set(number, (runs.get(number) ?? 0) + 1);
      if (way === "slow") await bus.sleep(below(SLOW_MS));
      if (way === "refuse") throw refuse("NO", "no", { number });
      if (way === "fail") throw new Error("failed");
      return number;
    },
  }),
});

/** Virtual timers. */
const clock = Reflect.get(runtime.WebSocket, Symbol.for("sendall.clock"));
let isCalm = false;
/** @param {unknown} data */
const isLost = (data) => !isCalm && typeof data === "string" && data.startsWith("[") && random() < DROPPED;
class LossySocket extends runtime.WebSocket {
  /**
   * @override
   * @param {import("sendall/testing").WebSocketData} data
   */
  send(data) {
    if (!isLost(data)) super.send(data);
  }
  /**
   * @override
   * @param {any} event
   */
  dispatchEvent(event) {
    return (event.type === "message" && isLost(event.data)) || super.dispatchEvent(event);
  }
}

const client = connect("ws://memory/", {
  protocol: lab,
  WebSocket: LossySocket,
  reconnect: { minMs: 50, maxMs: 500 },
  calls: { maxPending: MAX_PENDING },
});
let number = 0;

/** What a round has seen: how many calls ended in each way, and what must not be. */
class Round {
  settled = 0;
  /** @type {Record<string, number>} */
  ends = {};
  /** @type {string[]} */
  problems = [];

  /** @param {boolean} isCalmCall */
  async call(isCalmCall = false) {
    const id = ++number;
    const way = /** @type {Way} */ (
      isCalmCall ? "echo" : ((random() < 0.05 ? "slow" : ["echo", "echo", "refuse", "fail"][below(4)]) ?? "")
    );
    const timeoutMs = isCalmCall ? 5_000 : 100 + below(1_500);
    const isAborted = !isCalmCall && random() < 0.05;
    const controller = new AbortController();
    const madeAt = runtime.now();
    const asked = client.call("ask", { number: id, way }, { timeoutMs, signal: controller.signal });
    if (isAborted) clock.setTimeout(() => controller.abort("aborted"), below(300));
    const end = await asked.then(
      (answer) =>
        answer === id && (way === "echo" || way === "slow") ? "answered" : `answered ${answer} for ${id} (${way})`,
      (thrown) => this.endOf(thrown, id, way),
    );
    this.settled++;
    this.ends[end] = (this.ends[end] ?? 0) + 1;
    const ms = runtime.now() - madeAt;
    if (ms > timeoutMs) this.problems.push(`${end} after ${ms} ms of ${timeoutMs}`);
    if ((runs.get(id) ?? 0) > 1) this.problems.push(`${end}: the handler ran ${runs.get(id)} times`);
    if (end === "TOO_MANY_CALLS" && runs.has(id)) this.problems.push("a call that was not taken has run");
    return end;
  }

  /** @param {any} thrown @param {number} id @param {Way} way */
  endOf(thrown, id, way) {
    if (thrown === "aborted") return "aborted";
    const { code, reason, data } = thrown;
    if (code === "CALL_REFUSED" && (way !== "refuse" || reason !== "NO" || data?.number !== id))
      this.problems.push(`the refusal of another call: ${JSON.stringify(data)} for ${id}`);
    if (code === "CALL_FAILED" && way !== "fail") this.problems.push(`CALL_FAILED for ${way}`);
    return String(code ?? thrown);
  }
}

/** Something happens to the line, now and then. */
function disturb() {
  const far = runtime.clients.at(-1);
  if (far === undefined) return;
  const what = random();
  if (what < 0.02) far.disconnect();
  else if (what < 0.04) far.fail();
  else if (what < 0.06) far.vanish();
  else if (what < 0.2) far.delay(below(120));
}

async function heap() {
  for (let i = 0; i < 4; i++) {
    gc?.();
    await setImmediate();
  }
  return process.memoryUsage().heapUsed;
}

for (let round = 1; round <= ROUNDS; round++) {
  const seen = new Round();
  isCalm = false;
  for (let made = 0; made < CALLS; ) {
    for (let burst = Math.min(1 + below(60), CALLS - made); burst > 0; burst--, made++) void seen.call();
    disturb();
    await runtime.advance(below(150));
  }
  isCalm = true;
  await runtime.advance(2_000);
  const { settled } = seen;
  // The line is whole again, and nothing of the storm takes a place among the calls that may be pending.
  for (const far of runtime.clients) far.disconnect();
  await runtime.advance(60_000);
  const after = new Round();
  const last = Array.from({ length: MAX_PENDING + 1 }, () => after.call(true));
  await runtime.settle();
  await Promise.all(last);
  await runtime.advance(10_000);
  runs.clear();
  const { pending, state } = client;
  const problems = [...seen.problems, ...after.problems].slice(0, 5);
  console.log(
    JSON.stringify({ settled, ends: seen.ends, after: after.ends, pending, state, problems, heap: await heap() }),
  );
}
client.close();
await runtime.close();
