// @ts-check
// Express: routes of Express and sockets of Sendall on one port, with one login for both. `npm run example express`
// POST /login?name=ann gives a cookie; with the cookie /me answers, and the socket at /chat knows the name. The page does both.
import { once } from "node:events";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import express from "express";
import { attach, reject } from "sendall";
import { pageParts } from "../page/parts.js";

const app = express();
/** The name behind each cookie; in earnest a store of sessions. @type {Map<string, string>} */
const sessions = new Map();

app.post("/login", (request, response) => {
  const { name } = request.query;
  if (typeof name !== "string" || name.trim() === "") {
    response.status(400).send("expected /login?name=…");
    return;
  }
  const session = crypto.randomUUID();
  sessions.set(session, name.trim());
  response.cookie("session", session, { httpOnly: true, sameSite: "strict" }).end();
});
app.get("/me", (request, response) => {
  const name = sessions.get(/(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "");
  if (name === undefined) response.status(401).end();
  else response.json({ name });
});

// Upgrades are the business of the server, not of the app.
const host = createServer(app);
const sockets = await attach(host, {
  logger: false,
  static: fileURLToPath(new URL("public", import.meta.url)),
  client: "/sendall/client.js",
  onRequest: pageParts,
  routes: {
    "/chat": {
      authorize({ cookies }) {
        const name = sessions.get(cookies.session ?? "");
        return name === undefined ? reject(401, "log in first") : { name };
      },
      handler(event, bus) {
        if (event.type === "message") bus.sendall(`${event.connection.data.name}: ${event.text}`);
      },
    },
  },
});
// The files of `static`, and `onRequest`.
app.use(sockets.middleware);

host.listen(Number(process.env.PORT || 8080), "127.0.0.1");
await once(host, "listening");
console.log(`Express: ${sockets.url.replace("ws", "http")}`);

// First the sockets are told goodbye, while the host still answers, then the host goes.
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, async () => {
    await sockets.close();
    host.close();
    // A browser keeps connections on which it has asked nothing yet, and close() waits for them.
    setTimeout(() => host.closeAllConnections(), 1000).unref();
  });
