/** Several services on one port, each with its own handler: none has to do with another's connections, state or end. */
import { route } from "sendall";
import { expect, test } from "vitest";
import { Client, openClients, serveByHand, until } from "./peers.js";

test("echo, close, amplify and broadcast are four services of one port, each on its own", async () => {
  const { server } = await serveByHand({
    routes: {
      "/echo": route({
        handler(event, bus) {
          if (event.type === "message") bus.unicast(event.data, event.connection);
        },
      }),
      "/close": route({
        handler(event) {
          if (event.type === "open") event.connection.close(3_000, "Go away!");
        },
      }),
      "/amplify": route({
        handler(event, bus) {
          if (event.type === "message") bus.unicast("x".repeat(2 ** Number(event.text)), event.connection);
        },
      }),
      "/broadcast": route({
        handler: {
          init: () => 0,
          handle(event, count, bus) {
            if (event.type !== "message") return count;
            bus.sendall(`${count + 1}: ${event.text}`);
            return count + 1;
          },
        },
      }),
    },
  });
  const [echo] = await openClients(`${server.url}echo`, 1);
  const [loud] = await openClients(`${server.url}amplify`, 1);
  const crowd = await openClients(`${server.url}broadcast`, 3);
  await until(() => server.connections().length === 5);

  echo?.send("hello");
  for (let n = 0; n <= 18; n++) loud?.send(String(n));
  crowd[1]?.send("to all");
  crowd[0]?.send("to all again");
  const gone = new Client(`${server.url}close`);
  expect(await gone.ended()).toEqual({ code: 3_000, reason: "Go away!" });
  await until(
    () =>
      echo?.received.length === 1 && loud?.received.length === 19 && crowd.every((one) => one.received.length === 2),
  );
  expect(echo?.received).toEqual(["hello"]);
  expect(loud?.received.map((text) => text.length)).toEqual(Array.from({ length: 19 }, (_, n) => 2 ** n));
  // The sender, too, and all in one order.
  for (const { received } of crowd) {
    expect(received).toEqual(crowd[0]?.received);
    expect(received.map((text) => String(text).slice(0, 2))).toEqual(["1:", "2:"]);
  }
  const unknown = new Client(`${server.url}other`);
  expect((await unknown.ended()).code).toBe(1_006);
  expect(server.stats()).toMatchObject({ connections: 5, refused: 1 });
});
