// @ts-check
// Monitoring: each message goes to everybody, and /metrics has the numbers of that for Prometheus. A number in a message is a wait in
// milliseconds, which shows in the histograms. `npm run example monitoring`
import { serve } from "sendall";
import { metrics } from "sendall/metrics";
import { tryPage } from "../page/parts.js";

const page = tryPage("Monitoring", "A number keeps the handler busy for so many milliseconds. Then look at /metrics.");

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  onRequest(request, response) {
    answer(request, response, () => void page(request, response));
  },
  async handler(event, bus) {
    if (event.type !== "message") return;
    await bus.sleep(Math.min(Number(event.text) || 0, 5_000));
    bus.sendall(event.data);
  },
});

// Beside the metrics /healthz and /readyz are answered, and the page gets every other request.
const answer = metrics(server, { histograms: true }).onRequest("/metrics");

console.log(`Monitoring: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);
console.log(`Metrics: ${server.url.replace("ws", "http")}metrics`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
