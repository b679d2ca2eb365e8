/** The end of a process whose store of history hangs: nothing keeps the process alive, and what nobody awaits does not bring the process down. */
import { afterEach, expect, test } from "vitest";
import { runToEnd, stopPrograms } from "./programs.js";

afterEach(stopPrograms);

test("a server closes while a store hangs, although the handler awaits none of its calls, and the process ends by itself", async () => {
  const { code, output, errors } = await runToEnd(`
    import { once } from "node:events";
    import { serve } from "sendall";
    import { WebSocket } from "ws";
    const store = { append: () => undefined, read: () => new Promise(() => {}), trim() {}, close() {} };
    const server = await serve({
      port: 0,
      logger: false,
      history: { store },
      handler({ type, connection }, bus) {
        if (type !== "message") return;
        connection.follow("room", { last: 1 }).then(({ outcome }) => console.log("follow:", outcome));
        bus.history("room");
        bus.unicast("asked", connection);
      },
    });
    const client = new WebSocket(server.url);
    await once(client, "open");
    client.send("ask");
    await once(client, "message");
    await server.close();
    console.log(server.stats().failures.map(({ event, error }) => event + ": " + error.code).join());
  `);
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  expect(output).toBe("follow: refused\nrejection: HISTORY_UNAVAILABLE");
});
