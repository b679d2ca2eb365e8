/** What tests of a protocol's handler share: a protocol, and a peer that writes frames by hand. */
import type { ServeOptions } from "sendall";
import { type Protocol, type ProtocolHandlers, protocol } from "sendall/protocol";
import { createTestRuntime, type TestClient, type TestRuntime } from "sendall/testing";
import { expect } from "vitest";
import { only, texts } from "./protocols.js";

type Options = Omit<ServeOptions, "routes" | "handler">;
export type OnInvalid = "answer" | "close" | "drop";

/** Failures are the server's business here, as in production. */
export function start(handler: ServeOptions["handler"], options: Options = {}): TestRuntime {
  return createTestRuntime({ failures: "supervise", handler, ...options } as ServeOptions);
}

/** Sends texts, one by one, and tells what has come back. */
export async function ask(
  runtime: TestRuntime,
  client: TestClient,
  ...frames: (string | Buffer)[]
): Promise<unknown[]> {
  for (const frame of frames) client.send(frame);
  await runtime.settle();
  return client.take();
}

/** `["!",…]` or `[7,null,…]` for what is invalid, with at least an issue there. */
export function refused(path: string, id?: number): unknown {
  return expect.toSatisfy(
    (text) => {
      const frame = JSON.parse(String(text));
      const [head, ...rest] = id === undefined ? ["!"] : [id, null];
      const { reason, issues, ...more } = frame.at(-1);
      const paths = issues.map((issue: { path: string }) => issue.path);
      const isTold = issues.every(({ message }: { message: string }) => message.length > 0);
      expect([frame.slice(0, -1), reason, more, isTold]).toEqual([[head, ...rest], "INVALID_MESSAGE", {}, true]);
      return paths.includes(path);
    },
    `a refusal of ${path || "the whole"}`,
  );
}

/** A small protocol with schemas by hand, for all that is not about schemas. */
export const chat = protocol({
  fromClient: {
    say: texts({ text: [0, 1_000] }),
    typing: only<undefined>((value) => value === undefined),
    number: only<number>((value) => typeof value === "number"),
    join: { input: texts({ room: [1, 100] }), output: only<unknown>(() => true) },
    who: { input: only<undefined>((value) => value === undefined), output: only<unknown>(() => true) },
  },
  fromServer: { said: texts({ text: [0, 1_000] }), news: only<number>((value) => typeof value === "number") },
});
export type ChatFunctions = ProtocolHandlers<typeof chat extends Protocol<infer S> ? S : never>;
export const silent: ChatFunctions = { say() {}, typing() {}, number() {}, join() {}, who() {} };

/** One issue, with these words. */
export const issue = (message: string | RegExp): unknown => [{ path: "", message: expect.stringMatching(message) }];
/** A frame as read. */
export const told = (text: unknown): unknown => JSON.parse(String(text));
