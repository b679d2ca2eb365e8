// @ts-check
// Canvas: several people draw on one sheet and see each other's pointers; who comes later sees what was drawn. `npm run example canvas`
// The handler keeps the drawing as its state and knows nothing of how strokes look: those are the pages' affair.
import { fileURLToPath } from "node:url";
import { serve } from "sendall";
import { pageParts } from "../page/parts.js";
import { createCanvas } from "./canvas.js";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  // A page sends what its pointer did since the last picture: some points.
  maxPayloadBytes: 16 * 1024,
  maxConnections: 200,
  handler: createCanvas(),
});
console.log(`Canvas: http://127.0.0.1:${server.port}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
