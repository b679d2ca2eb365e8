// @ts-check
// Replies: a handler for one connection as a module of callbacks, whose return values say what to send. `npm run example replies`
// Send the words below ("again", "ping", "bye 4001 enough", …) to see each kind of reply.
import { close, noreply, perConnection, ping, pong, reply, serve } from "sendall";
import { tryPage } from "../page/parts.js";

const WORDS =
  "nothing, again, bytes, ping, pong, several, plain, later, alarm, tell everybody, hush 500, bye 4001 enough, crash";

/** What is kept for each connection: how many messages it has sent, and the last. @typedef {{ count: number, last: string }} State */

const handler = perConnection({
  // The connection has opened; what this returns is its first state. It may be async, as every callback may.
  /** @returns {State} */
  init: () => ({ count: 0, last: "" }),

  // A message: a string from a text frame, a Buffer from a binary one. Each reply carries the next state.
  async handle(message, { count, last }, connection, bus) {
    const [word = "", ...words] = message.toString().split(" ");
    const state = { count: count + 1, last: word };
    switch (word) {
      case "nothing":
        return noreply(state);
      case "again":
        return reply(`${last}, message ${state.count}`, state);
      case "bytes":
        // A string goes out as a text frame, bytes as a binary one.
        return reply(new Uint8Array([1, 2, 3]), state);
      case "ping":
        // Its pong comes back below.
        return ping(state, "are you there?");
      case "pong":
        // One that nobody asked for: a sign of life. A peer's pings are answered without us.
        return pong(state, "I am here");
      case "several":
        // In this order; the last state counts, and none does anything for [].
        return [reply("one", state), ping(state), reply("two", state)];
      case "plain":
        // The functions make plain objects, and such will do.
        return { type: "reply", data: "a plain object", state };
      case "later":
        // This connection's next message waits for it, others do not.
        await bus.sleep(100);
        return reply("a moment later", state);
      case "alarm":
        // Comes back as `info` to this connection.
        bus.after(100, "time is up");
        return noreply(state);
      case "tell":
        // Comes back as `info` to every connection.
        bus.tell(words.join(" "));
        return noreply(state);
      case "hush":
        // Comes back as `idle`, after so many milliseconds without a message; 0 ends it.
        connection.idle(Number(words[0]) || 0);
        return noreply(state);
      case "bye": {
        // 1000 and no reason, unless there is something to say.
        const [code, ...reason] = words;
        return code === undefined ? close(state) : close(state, Number(code), reason.join(" "));
      }
      case "crash":
        // Ends this connection with 1011, and harms nobody else.
        throw new Error("as it was asked to");
      default:
        return reply(message, state);
    }
  },

  // Something from the rest of the program (`tell`), or an alarm (`after`).
  info: (data, state) => reply(`info: ${data}`, state),

  idle: (_silence, state) => reply("you are silent", state),

  // A ping of the peer, which has been answered, and its pong to ours; without these two nobody hears of them.
  ping: (data, state) => reply(`you pinged ${data}`, state),
  pong: (data, state) => reply(`you answered ${data}`, state),

  // The end, however it came: the one callback that returns nothing, for there is nobody to reply to.
  closed: ({ count }, _connection, { code, by }) => console.log(`Closed with ${code} by ${by} after ${count} messages`),
});

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  onRequest: tryPage("Replies", `Send one of these: ${WORDS}. Anything else comes back.`),
  logger: false,
  handler,
});
console.log(`Replies: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
