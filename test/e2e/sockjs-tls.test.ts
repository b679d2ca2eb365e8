/** SockJS over TLS: the same sessions, with what only a secure connection has. */
import { once } from "node:events";
import { request } from "node:https";
import type { ServerEvent } from "sendall";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { makeCertificate } from "../../examples/tls/certificate.js";
import { serveByHand, until } from "./peers.js";

const authority = makeCertificate("our authority");
const { cert, key } = makeCertificate("our server", authority);

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly cookie: string | undefined;
}

/** One request; for a stream the body is what has come when it holds enough. */
function post(url: string, body = "", isEnough: (text: string) => boolean = () => false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: "POST", ca: authority.cert }, (response) => {
      let text = "";
      const done = (): void =>
        resolve({ status: response.statusCode ?? 0, body: text, cookie: response.headers["set-cookie"]?.[0] });
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (!isEnough(text)) return;
        done();
        asked.destroy();
      });
      response.on("end", done);
      response.on("error", () => {});
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

test("polling, streaming and websocket run over TLS", async () => {
  const events: ServerEvent[] = [];
  const { server } = await serveByHand({
    tls: { cert, key },
    sockjs: { cookieNeeded: true },
    outbox: { maxBufferedBytes: 1_000 },
    routes: {
      "/echo": {
        handler(event, bus) {
          events.push(event);
          if (event.type === "message") bus.unicast(event.text, event.connection);
        },
      },
    },
  });
  const url = `${server.url.replace("wss", "https")}echo/000`;
  const opened = await post(`${url}/poll/xhr`);
  expect(opened).toEqual({ status: 200, body: "o\n", cookie: "JSESSIONID=dummy; path=/; Secure; SameSite=None" });
  // A burst that TLS takes only in the next round is no sign of a slow reader.
  const texts = Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(100, "."));
  for (const text of texts) {
    expect((await post(`${url}/poll/xhr_send`, JSON.stringify([text]))).status).toBe(204);
    expect((await post(`${url}/poll/xhr`)).body).toBe(`a["${text}"]\n`);
  }
  const streamed = post(`${url}/stream/xhr_streaming`, "", (text) => text.includes("a["));
  await until(() => events.filter(({ type }) => type === "open").length === 2);
  await post(`${url}/stream/xhr_send`, '["x"]');
  expect((await streamed).body).toBe(`${"h".repeat(2_048)}\no\na["x"]\n`);
  const socket = new WebSocket(`${server.url}echo/000/socket/websocket`, { ca: authority.cert });
  onTestFinished(() => socket.terminate());
  expect(String((await once(socket, "message"))[0])).toBe("o");
  socket.send('["y"]');
  expect(String((await once(socket, "message"))[0])).toBe('a["y"]');
  const secure = events.flatMap((event) => (event.type === "open" ? [event.connection.secure] : []));
  expect(secure).toEqual([true, true, true]);
});
