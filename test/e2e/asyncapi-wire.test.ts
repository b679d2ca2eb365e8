/** What an AsyncAPI document says of the wire is what a server says on sockets, whatever the library of the schemas. */

import { serve } from "sendall";
import { type AsyncApiDocument, asyncapi } from "sendall/asyncapi";
import { refuse } from "sendall/protocol";
import { afterEach, describe, expect, test, vi } from "vitest";
import { LIBRARIES } from "../unit/asyncapi/libraries.js";
import { frameReader } from "../unit/asyncapi/validator.js";
import { connect, stopPrograms } from "./programs.js";

afterEach(async () => {
  vi.restoreAllMocks();
  await stopPrograms();
});

function lastPart({ $ref }: { readonly $ref: string }): string {
  return $ref.split("/").at(-1) ?? "";
}

/** The keys of what the server sends, in reply or by itself. */
function sentKeys({ operations }: AsyncApiDocument): Set<string> {
  const all = Object.values(operations).flatMap(({ action, messages, reply }) => [
    ...(action === "send" ? messages : []),
    ...(reply?.messages ?? []),
  ]);
  return new Set(all.map(lastPart));
}

describe.each(Object.entries(LIBRARIES))("with schemas of %s", (_library, chat) => {
  test("every frame of a server is a message that the document has the server send or reply", async () => {
    vi.spyOn(process, "emitWarning").mockReturnValue();
    const document = asyncapi(chat, { title: "Chat", version: "1.0.0" });
    const read = frameReader(document);
    const { said, moved } = chat.fromServer;
    await using server = await serve({
      port: 0,
      logger: false,
      supervise: { intensity: 100 },
      handler: chat.handler({
        say({ text }, { connection, bus }) {
          if (text === "bad") throw refuse("RUDE", "no such words", { text });
          bus.unicast(said({ nick: "ann", text }), connection);
        },
        typing(_nothing, { connection, bus }) {
          bus.unicast(moved(["ann", 1]), connection);
        },
        mood() {},
        grow() {},
        join({ room }) {
          if (room === "full") throw refuse("FULL", "the room is full", { room });
          if (room === "broken") throw new Error("broken");
          return { members: 1 };
        },
        who: () => ["ann"],
        count() {},
      }),
    });
    const client = await connect(server.url);
    const ask = async (frame: unknown[]): Promise<unknown[]> => {
      client.send(JSON.stringify(frame));
      return JSON.parse(String(await client.next()));
    };
    const talk: [frame: unknown[], key: string][] = [
      [["say", { text: "hi" }], "said"],
      [["say", { text: "bad" }], "messageRefused"],
      [["say", 5], "messageRefused"],
      [["nothing"], "messageRefused"],
      [["join", { room: "lobby" }], "messageRefused"],
      [["typing"], "moved"],
      [["join", { room: "lobby" }, 1], "join.answer"],
      [["join", { room: "full" }, 2], "callRefused"],
      [["join", { room: "broken" }, 3], "callRefused"],
      [["join", { room: 1 }, 4], "callRefused"],
      [["who", 5], "who.answer"],
      [["count", 6], "count.answer"],
      [["count", 1, 7], "count.answer"],
    ];
    const sent = sentKeys(document);
    for (const [frame, key] of talk) {
      const answer = await ask(frame);
      expect(read(answer), JSON.stringify(answer)).toContain(key);
      expect(sent).toContain(key);
      if (key.endsWith("Refused")) continue;
      expect(read(frame), JSON.stringify(frame)).toEqual([frame[0]]);
      expect(document.operations[String(frame[0])]?.action).toBe("receive");
    }
  });
});
