// @ts-check
/** A server that keeps what is said in a file: `node kept-in-file.js history.db`. A client says "follow" and a position, or what is to be kept. */
import { serve } from "sendall";
import { sqlite } from "sendall/sqlite";

const [, , file = ""] = process.argv;

const server = await serve({
  port: 0,
  host: "127.0.0.1",
  logger: false,
  history: {
    store: sqlite({ file }),
    maxMessages: 1_000_000,
    maxBytes: 1_000_000_000,
    stamp: (data, position) => `${position} ${data}`,
  },
  async handler(event, bus) {
    if (event.type !== "message") return;
    const [verb, after] = event.text.split(" ");
    if (verb !== "follow") bus.sendall(event.text, { room: "hall", keep: true });
    else {
      const { outcome, position } = await event.connection.follow("hall", after ? { after } : { last: 0 });
      event.connection.send(`followed ${outcome} ${position}`);
    }
  },
});
console.log(`Listening on ${server.url}`);
