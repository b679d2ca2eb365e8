// @ts-check
// Echo: every message goes back to whoever sent it, text as text and bytes as bytes. `npm run example echo`
import { serve } from "sendall";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  handler(event, bus) {
    if (event.type === "message") bus.unicast(event.data, event.connection);
  },
});
console.log(`Echo: ${server.url}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
