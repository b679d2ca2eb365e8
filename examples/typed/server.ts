// Typed: an auction that speaks a protocol of zod schemas, in TypeScript, with a bidder that calls it. `npm run example typed` compiles
// this folder with its tsconfig.json, and runs dist/server.js; Node 22.18 and later run server.ts as it is.
import { serve, type UpgradeRequest } from "sendall";
import { createAuction } from "./auction.ts";
import { startBidder } from "./bidder.ts";

const server = await serve({
  port: Number(process.env.PORT || 8080),
  authorize: ({ query }: UpgradeRequest) => ({ nick: query.get("nick") ?? "somebody" }),
  handler: createAuction([
    { name: "clock", price: 10, leader: "" },
    { name: "lamp", price: 25, leader: "" },
  ]),
});
const bidder = startBidder(server.url, { nick: "Robot", limit: 100, log: console.log });
console.log(`Typed: ${server.url}`);
console.log(
  `Bid by hand: npx sendall connect --json "${server.url}?nick=Ann", then ["bid",{"name":"clock","amount":20},1]`,
);

for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => {
    // For good: a client that is closed does not dial again.
    bidder.close();
    void server.close();
  });
