// @ts-check
/** A worker with eleven servers of one cluster: says who heard what one of them sent, and what Node warned of. */
import cluster from "node:cluster";
import { once } from "node:events";
import { serve } from "sendall";
import { connect } from "sendall/client";
import { workers } from "sendall/workers";

const COUNT = 11;

if (cluster.isPrimary) {
  workers();
  const worker = cluster.fork();
  const [code] = await once(worker, "exit");
  process.exitCode = code;
} else {
  process.on("warning", (warning) => console.log(`warning: ${warning.message}`));
  const servers = [];
  for (let i = 0; i < COUNT; i++)
    servers.push(await serve({ port: 0, logger: false, cluster: workers(), handler() {} }));
  const heard = servers.map(
    ({ url }) =>
      new Promise((resolve) => {
        const client = connect(url, {
          onMessage(data) {
            if (data !== "hello") return;
            client.close();
            resolve(data);
          },
        });
      }),
  );
  // Until each of them knows that the others have somebody.
  let isHeard = false;
  const all = Promise.all(heard).then(() => {
    isHeard = true;
  });
  while (!isHeard) {
    servers[0]?.sendall("hello");
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  for (const server of servers) await server.close();
  console.log(`heard by ${heard.length}, listeners left: ${process.listenerCount("message")}`);
  process.disconnect();
}
