// @ts-check
/** A program that forks itself; without `JOINED` its primary process passes nothing on. */
import cluster from "node:cluster";
import { serve } from "sendall";
import { workers } from "sendall/workers";

if (cluster.isPrimary) {
  if (process.env.JOINED === "yes") workers();
  for (let i = 0; i < 2; i++) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill();
  });
} else {
  try {
    const server = await serve({
      port: 0,
      logger: false,
      cluster: workers(),
      handler(event, bus) {
        if (event.type === "open") bus.unicast(String(process.pid), event.connection);
        else if (event.type === "message") bus.sendall(event.data);
      },
    });
    console.log(`Listening on ${server.url}`);
  } catch (error) {
    console.log(String(error));
    process.exit(0);
  }
}
