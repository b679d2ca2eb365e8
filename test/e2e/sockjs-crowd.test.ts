/** Sessions over SockJS in numbers, and what a hostile client may try with them. */
import { Agent, request } from "node:http";
import { describe, expect, test } from "vitest";
import { nextRound, until } from "./peers.js";
import { ask, newSession, openEcho, Poller, untilOpen, Wire, watchSessions } from "./sockjs-peers.js";

const agent = new Agent({ keepAlive: true, maxSockets: 50 });

/** One request over a few shared connections: thousands of them would be the system's test, not ours. */
function post(port: number, path: string, body = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, method: "POST", agent }, (response) => {
      let text = `${response.statusCode} `;
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

describe("2,000 sessions over polling", () => {
  test("come, talk and vanish, and nothing is left of them 5 s later", async () => {
    const { port, server, clock } = await openEcho();
    const states = watchSessions(server);
    let started = 0;
    let ended = 0;
    server.actor.system.inspect((event) => {
      if (event.type !== "@xstate.snapshot") return;
      if (event.event.type === "xstate.init") started++;
      if ("status" in event.snapshot && ["done", "stopped"].includes(event.snapshot.status)) ended++;
    });
    const idle = clock.alarms;
    const roots = Array.from({ length: 2_000 }, () => newSession("/echo"));
    const answers = await Promise.all(
      roots.map(async (root) => [
        await post(port, `${root}/xhr`),
        await post(port, `${root}/xhr_send`, '["x"]'),
        await post(port, `${root}/xhr`),
      ]),
    );
    expect(new Set(answers.flat())).toEqual(new Set(["200 o\n", "204 ", '200 a["x"]\n']));
    expect(server.stats()).toMatchObject({
      connections: 2_000,
      received: { messages: 2_000 },
      sent: { messages: 2_000 },
    });
    expect(states.all.size).toBe(2_000);
    clock.pass(5_000);
    await until(() => server.stats().connections === 0);
    // A session, a receiver and a sender each.
    await until(() => ended === 6_000);
    expect(clock.alarms).toBe(idle);
    expect(new Set(states.all.values())).toEqual(new Set(['"closed"']));
    expect(started).toBe(6_000);
    expect(await post(port, `${roots[0]}/xhr_send`, '["x"]')).toMatch(/^404 /);
    agent.destroy();
  });
});

describe("a hostile client", () => {
  test("that drops requests as fast as it makes them leaves nothing behind", async () => {
    const { port, server, clock } = await openEcho();
    const wires = Array.from({ length: 100 }, (_, i) => {
      const wire = new Wire(port).ask("POST", `${newSession("/echo")}/${i % 2 === 0 ? "xhr" : "xhr_streaming"}`);
      if (i % 3 === 0) wire.cut();
      else wire.leave();
      return wire;
    });
    await until(() => wires.every(({ isEnded }) => isEnded));
    await until(() => {
      clock.pass(5_000);
      return server.stats().connections === 0;
    });
    await until(() => {
      clock.pass(5_000);
      return clock.alarms === 0;
    });
    expect((await ask(port, "GET", "/echo")).status).toBe(200);
  });

  test("that sends deep or odd JSON is told so", async () => {
    const { port } = await openEcho();
    const poller = await Poller.open(port);
    const odd = ["[".repeat(100_000), `${"[".repeat(50_000)}${"]".repeat(50_000)}`, '[["a"]]', "[,]", '["a"]x', "\0"];
    for (const body of odd) expect((await poller.post(body)).status).toBe(500);
    expect((await poller.post('{"__proto__":[],"length":1}')).status).toBe(500);
    await poller.send("fine");
    expect((await poller.poll()).body).toBe('a["fine"]\n');
  });

  test("that pipelines its requests is answered in order", async () => {
    const { port } = await openEcho();
    const { root } = await Poller.open(port);
    const wire = new Wire(port);
    for (const text of ["1", "2", "3"]) wire.ask("POST", `${root}/xhr_send`, { body: JSON.stringify([text]) });
    wire.ask("POST", `${root}/xhr`).ask("POST", `${root}/xhr`);
    for (let i = 0; i < 3; i++) expect((await wire.answer()).status).toBe(204);
    expect((await wire.answer()).body).toMatch(/^a\["1"/);
  });

  test("that asks for one session behind the endless answer to another gets it after that answer", async () => {
    const { port, server } = await openEcho();
    const [first, second] = [newSession("/echo"), newSession("/echo")];
    const wire = new Wire(port).ask("POST", `${first}/xhr_streaming`).ask("POST", `${second}/xhr_streaming`);
    await untilOpen(server, 1);
    for (let i = 0; i < 30; i++) await nextRound();
    expect(server.stats().connections).toBe(1);
    server.connections()[0]?.close(3000, "over");
    expect((await wire.answer()).body).toMatch(/c\[3000,"over"\]\n$/);
    await untilOpen(server, 1);
    expect((await wire.head()).status).toBe(200);
    expect(server.connections().map(({ path }) => path)).toEqual(["/echo"]);
    wire.cut();
    await untilOpen(server, 0);
  });

  test("that names a session as an object's own property finds none", async () => {
    const { port } = await openEcho();
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect((await ask(port, "POST", `/echo/0/${name}/xhr_send`, { body: '["x"]' })).status).toBe(404);
      expect((await ask(port, "POST", `/echo/0/0/${name}`)).status).toBe(404);
      expect((await ask(port, "POST", `/echo/${name}`)).status).toBe(404);
    }
  });

  test("that sends side by side fills no more than one body and its mailbox", async () => {
    let go = (): void => {};
    const blocked = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { port, server } = await openEcho({
      mailbox: { highWaterEvents: 4, lowWaterEvents: 1 },
      async handler(event) {
        if (event.type === "message") await blocked;
      },
    });
    const poller = await Poller.open(port);
    await untilOpen(server, 1);
    const body = JSON.stringify(Array(10).fill("x"));
    const wires = Array.from({ length: 20 }, () => new Wire(port).ask("POST", `${poller.root}/xhr_send`, { body }));
    await until(() => server.stats().paused === 1);
    for (let i = 0; i < 30; i++) await nextRound();
    expect(server.stats().received.messages).toBe(4);
    expect(wires.every(({ unread }) => unread === "")).toBe(true);
    go();
    const answers = await Promise.all(wires.map((wire) => wire.answer()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204]));
    await until(() => server.stats().received.messages === 200);
  });

  test("that asks for a callback with a repeated or an empty name runs no script", async () => {
    const { port, server } = await openEcho();
    for (const query of ["c=alert&c=x", "c=&c=x", "c=", "callback=", "c[]=x", "c=a%00b", "c=a%0d%0ab"]) {
      const answer = await ask(port, "GET", `${newSession("/echo")}/jsonp?${query}`);
      expect([query, answer.status]).toEqual([query, 500]);
      expect(answer.headers["content-type"]).toBe("text/plain; charset=UTF-8");
    }
    expect(server.stats().connections).toBe(0);
  });
});
