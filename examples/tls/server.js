// @ts-check
// TLS: an echo at wss://, with a certificate that is made at the start (certificate.js says how). `npm run example tls`
// A client has to be told to trust the certificate. A browser asks, and in a shell: npx sendall connect 127.0.0.1:8080 --insecure
import { serve } from "sendall";
import { tryPage } from "../page/parts.js";
import { makeCertificate } from "./certificate.js";

const { cert, key } = makeCertificate("sendall example");

const server = await serve({
  port: Number(process.env.PORT || 8080),
  client: "/sendall/client.js",
  onRequest: tryPage("TLS", "Each message comes back to you, encrypted both ways."),
  logger: false,
  tls: { cert, key },
  handler(event, bus) {
    if (event.type === "message") bus.unicast(event.data, event.connection);
  },
});
console.log(`Tls: ${server.url}`);
console.log(`Page: ${server.url.replace("ws", "http")}`);
console.log(cert);

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
