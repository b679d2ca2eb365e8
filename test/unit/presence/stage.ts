/** A server with presence whose clients run the code of the test in the handler. */
import type { Bus, Connection, PresenceNotice, PresenceOptions, ServerEvent } from "sendall";
import { createTestRuntime } from "sendall/testing";

export type Code = (connection: Connection, bus: Bus) => unknown;

/** A server whose clients run the code of the test in the handler: `client.send(name)`. */
export function start(presence: Partial<PresenceOptions> | boolean = {}, more: object = {}) {
  const events: Omit<Extract<ServerEvent, { type: "joined" | "changed" | "left" }>, "connection">[] = [];
  const codes = new Map<string, Code>();
  const json = (notice: PresenceNotice) => JSON.stringify(notice);
  const runtime = createTestRuntime({
    presence:
      presence === true ? true : { notice: json, key: ({ query }) => query.get("name") ?? "?", ...Object(presence) },
    ...more,
    handler(event, bus) {
      if (event.type === "joined" || event.type === "changed" || event.type === "left") events.push(event);
      if (event.type === "message") codes.get(event.text)?.(event.connection, bus);
    },
  });
  let count = 0;
  return {
    runtime,
    server: runtime.server,
    events,
    /** Runs code in the handler, in an event of the client. */
    async run(client: { send(text: string): unknown }, code: Code) {
      const name = String(count++);
      codes.set(name, code);
      client.send(name);
      // A failure of the handler is for the test to look at.
      await runtime.settle().catch(() => {});
    },
    async connect(name: string, ...rooms: string[]) {
      const client = await runtime.connect({ path: `/?name=${name}` });
      for (const room of rooms) await this.run(client, (connection) => connection.join(room));
      return client;
    },
  };
}

/** The notices that a client has got, in short. */
export function heard(client: { received: readonly (string | Buffer)[] }): string[] {
  return client.received.map((data) => {
    const { type, key, info, count } = JSON.parse(String(data));
    return [type, key ?? [], info === null || info === undefined ? [] : JSON.stringify(info), count].flat().join(" ");
  });
}
