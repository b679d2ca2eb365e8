// @ts-check
// Multi: two servers with names in one process, each with its own port, connections and options. `npm run example multi`
// What a client of the public server says is sent to all clients there and reported to the admins. What an admin says is announced to
// the public. The names label the logs. PORT is the port of the public server, ADMIN_PORT that of the admins (default: PORT + 1).
import { serve } from "sendall";
import { tryPage } from "../page/parts.js";

const port = Number(process.env.PORT || 8080);
// With PORT=0 each server takes a free port.
const adminPort = Number(process.env.ADMIN_PORT || (port && port + 1));

/** Filled one after the other, since each server tells the other what happens. @type {{ [name: string]: import("sendall").Server }} */
const servers = {};

try {
  servers.public = await serve({
    name: "public",
    port,
    client: "/sendall/client.js",
    onRequest: tryPage(
      "Multi: public",
      "All who are here hear what you say. The admins, at the other server, get a report.",
    ),
    handler(event, bus) {
      if (event.type === "message") bus.sendall(event.text);
      if (event.type === "info") bus.sendall(`Announcement: ${event.data}`);
      if (event.type === "open" || event.type === "message" || event.type === "closed")
        servers.admin?.tell({ what: event.type, who: event.connection.id, here: bus.connections().length });
    },
  });
  servers.admin = await serve({
    name: "admin",
    port: adminPort,
    client: "/sendall/client.js",
    onRequest: tryPage("Multi: admin", "You see what happens at the public server. What you say is announced there."),
    maxConnections: 10,
    handler(event, bus) {
      if (event.type === "message") servers.public?.tell(event.text);
      if (event.type === "info") bus.sendall(JSON.stringify(event.data));
    },
  });
  console.log(`Multi: ${servers.public.url}`);
  console.log(`Admin: ${servers.admin.url}`);
  for (const { url } of Object.values(servers)) console.log(`Page: ${url.replace("ws", "http")}`);
} catch (error) {
  await close();
  throw error;
}

async function close() {
  await Promise.all(Object.values(servers).map((server) => server.close()));
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, close);
