/**
 * Follows one message through the built package: which files of ours run from the socket to the user's handler, and which from the
 * handler's reply back to the socket. Node's coverage counts each call. Prints both lists as JSON.
 */
import { once } from "node:events";
import { Session } from "node:inspector";
import { serve } from "sendall";
import { WebSocket } from "ws";

const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });

/** The files of the package that have run since the last call, in alphabetical order. */
function filesRun() {
  /** @type {string[]} */
  let files = [];
  // An inspector in the same thread answers within the call.
  session.post("Profiler.takePreciseCoverage", (error, answer) => {
    if (error) throw error;
    files = answer.result
      .filter(({ functions }) =>
        functions.some(({ ranges }) => (ranges[0]?.startOffset ?? 0) > 0 && (ranges[0]?.count ?? 0) > 0),
      )
      .flatMap(({ url }) => /\/dist\/(.+)\.js$/.exec(url)?.[1] ?? [])
      .sort();
  });
  return files;
}

/** @type {string[]} */
let toHandler = [];
const server = await serve({
  port: 0,
  logger: false,
  handler(event, bus) {
    if (event.type !== "message") return;
    toHandler = filesRun();
    bus.unicast(event.data, event.connection);
  },
});
const client = new WebSocket(server.url);
await once(client, "open");
// The first message makes what later ones find.
for (let i = 0; i < 3; i++) {
  client.send("warm up");
  await once(client, "message");
}
filesRun();
client.send("hello");
await once(client, "message");
const toSocket = filesRun();
console.log(JSON.stringify({ toHandler, toSocket }));
client.close();
await server.close();
