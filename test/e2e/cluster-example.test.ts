/** `npm run example cluster`, over each engine. */
import { afterEach, describe, expect, it } from "vitest";
import { Engine, KINDS } from "./engines.js";
import { connect, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

afterEach(stopPrograms);

describe.each(KINDS)("the cluster example over $name", (kind) => {
  const { skip } = requires(kind.name);

  it.skipIf(skip)("is one room on two ports", async () => {
    const engine = await Engine.start(kind);
    const program = start("examples/run.js", ["cluster"], { env: { PORT: "0", ENGINE: engine.url } });
    const [, second = ""] = await program.stdout.next(/^Second: (ws:\S+)$/);
    const [, first = ""] = await program.stdout.next(/^First: (ws:\S+)$/);
    const [ann, bob] = [await connect(first), await connect(second)];
    expect([await ann.next(), await bob.next()]).toEqual(["welcome to first", "welcome to second"]);
    // The engine has confirmed neither room when they are welcomed.
    const heard = async () => (await engine.subjects()).filter((subject) => subject === "sendall.@room.%2A.lobby");
    while ((await heard()).length < 2);
    ann.send("hello");
    expect(await bob.next()).toBe("first: hello");
    bob.send("hi");
    expect(await ann.next()).toBe("second: hi");
    bob.socket.close();
    expect(await ann.next()).toBe("second: somebody left");
    program.kill("SIGTERM");
    expect((await ann.closed).code).toBe(1001);
    expect(await program.ended).toMatchObject({ code: 0, stderr: [] });
  });

  it.skipIf(skip)("says in one line that the engine is not there", async () => {
    const engine = await Engine.absent(kind);
    const { code, stderr } = await start("examples/run.js", ["cluster"], { env: { PORT: "0", ENGINE: engine.url } })
      .ended;
    expect([code, stderr]).toEqual([1, [expect.stringContaining(`cluster: cannot connect to ${kind.name}: `)]]);
  });
});
