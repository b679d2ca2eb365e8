/** What tests of admission share: requests by hand and their answers, an `authorize` answered by the test, a logger that remembers. */
import type { UpgradeRequest } from "sendall";
import type { Logger } from "../../src/runtime/logger.js";
import { RawPeer, until, upgradeRequest } from "./peers.js";

/** The text of an upgrade, with these headers in place of the usual ones or beside them. */
export function upgradeWith(headers: Readonly<Record<string, string>>, path = "/"): string {
  const kept = upgradeRequest(path)
    .split("\r\n")
    .filter((line) => line !== "" && !Object.keys(headers).some((name) => line.startsWith(`${name}:`)));
  const added = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [...kept, ...added, "\r\n"].join("\r\n");
}

export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** Still open if it was let in. */
  readonly peer: RawPeer;
}

/** What comes back for these bytes. */
export async function answerTo(port: number, request: string): Promise<Answer> {
  const peer = new RawPeer(port);
  peer.write(request);
  return answerOf(peer);
}

/** What this peer was answered: waits for the head, and unless it was let in for the end. */
export async function answerOf(peer: RawPeer): Promise<Answer> {
  await until(() => peer.isEnded || peer.bytes.includes("\r\n\r\n"));
  const status = Number(peer.bytes.toString().split(" ")[1]);
  if (status !== 101) await until(() => peer.isEnded);
  const text = peer.bytes.toString();
  const end = text.indexOf("\r\n\r\n");
  return { status, head: text.slice(0, end), body: text.slice(end + 4), peer };
}

/** Somebody whom `authorize` was asked about. */
export interface Asked {
  readonly request: UpgradeRequest;
  readonly answer: (data: Record<string, unknown>) => void;
  readonly fail: (error: Error) => void;
}

/** An `authorize` that the test answers. */
export class Doorkeeper {
  readonly #asked: Asked[] = [];

  readonly authorize = (request: UpgradeRequest): Promise<Record<string, unknown>> =>
    new Promise((answer, fail) => {
      this.#asked.push({ request, answer, fail });
    });

  /** The one who came as the `nth`, from 1, once he has come. */
  async nth(nth: number): Promise<Asked> {
    for (;;) {
      const asked = this.#asked[nth - 1];
      if (asked !== undefined) return asked;
      await until(() => this.#asked.length >= nth);
    }
  }
}

export interface Line {
  readonly level: string;
  readonly line: string;
  readonly details: object;
}

/** A logger that remembers. */
export function rememberLines(): { readonly lines: Line[]; readonly logger: Logger } {
  const lines: Line[] = [];
  const at = (level: string) => (details: object, line: string) => void lines.push({ level, line, details });
  const logger: Logger = {
    level: "debug",
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  return { lines, logger };
}
