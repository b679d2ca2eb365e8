/** A server that is killed in the middle of keeping: what its clients saw is in the file, and no position is given twice. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Client, connect, start, stopPrograms } from "./programs.js";
import { requires } from "./requires.js";

const LIVES = 6;
/** More than the server can keep before the client has seen enough. */
const SENT = 20_000;

const { skip } = requires("sqlite");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sendall-"));
});
afterEach(async () => {
  await stopPrograms();
  rmSync(folder, { recursive: true });
});

/** What clients have seen, in order. A position that comes twice, or out of order, throws. */
class Seen {
  readonly texts: string[] = [];
  last = "";

  note(position: string, text: string): void {
    if (position <= this.last) throw new Error(`${position} after ${this.last}`);
    this.last = position;
    this.texts.push(text);
  }
}

/** The messages up to the answer to "follow"; the answer's outcome and position. */
async function follow(client: Client, after: string, seen: Seen): Promise<[outcome: string, position: string]> {
  client.send(`follow ${after}`);
  for (;;) {
    const [first = "", second = "", third = ""] = String(await client.next()).split(" ");
    if (first === "followed") return [second, third];
    seen.note(first, second);
  }
}

test.skipIf(skip)(
  "a server that is killed while it keeps messages leaves all that its clients saw, once and in order, and gives no position twice",
  async () => {
    const file = join(folder, "history.db");
    const seen = new Seen();
    const given = new Set<string>();
    let begin = "";
    for (let life = 0; life < LIVES; life++) {
      const program = start("test/e2e/programs/kept-in-file.js", [file]);
      const [, url = ""] = await program.stdout.next(/^Listening on (.*)$/);
      const client = await connect(url);
      const [outcome, position] = await follow(client, seen.last, seen);
      expect(outcome).toBe("complete");
      if (life === 0) begin = position;
      for (let i = 0; i < SENT; i++) client.send(`${life}:${i}`);
      const enough = seen.texts.length + 200 + 150 * life;
      while (seen.texts.length < enough) {
        const [at = "", text = ""] = String(await client.next()).split(" ");
        expect(given.has(at)).toBe(false);
        given.add(at);
        seen.note(at, text);
      }
      program.kill("SIGKILL");
      await program.ended;
      await client.closed;
      // What was on its way to the client when the server died.
      for (const message of client.rest()) {
        const [at = "", text = ""] = String(message).split(" ");
        seen.note(at, text);
      }
    }
    const program = start("test/e2e/programs/kept-in-file.js", [file]);
    const [, url = ""] = await program.stdout.next(/^Listening on (.*)$/);
    const late = new Seen();
    const [outcome, position] = await follow(await connect(url), begin, late);
    expect([outcome, position]).toEqual(["complete", late.last]);
    // Nobody saw what was kept in the last life and not sent.
    expect(late.texts.slice(0, seen.texts.length)).toEqual(seen.texts);
    for (let life = 0; life < LIVES; life++) {
      const ofLife = late.texts.filter((text) => text.startsWith(`${life}:`));
      expect(ofLife).toEqual(ofLife.map((_text, i) => `${life}:${i}`));
    }
  },
);
