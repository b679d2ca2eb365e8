// @ts-check
// Multi: two servers with names in one process, each with its own port, connections and options. `npm run example multi`
// What is said at the public one is said to all there, and reported to the admins; what an admin says is announced to the public.
// The names label the logs. PORT is the public one's port, ADMIN_PORT the other's (the next one unless given).
import { serve } from "sendall";

const port = Number(process.env.PORT || 8080);
// 0, any free one, for both.
const adminPort = Number(process.env.ADMIN_PORT || (port && port + 1));

/** Each tells the other, so neither can be made first with the other in hand. @type {{ [name: string]: import("sendall").Server }} */
const servers = {};

try {
  servers.public = await serve({
    name: "public",
    port,
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
    maxConnections: 10,
    handler(event, bus) {
      if (event.type === "message") servers.public?.tell(event.text);
      if (event.type === "info") bus.sendall(JSON.stringify(event.data));
    },
  });
  console.log(`Multi: ${servers.public.url}`);
  console.log(`Admin: ${servers.admin.url}`);
} catch (error) {
  await close();
  throw error;
}

async function close() {
  await Promise.all(Object.values(servers).map((server) => server.close()));
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, close);
