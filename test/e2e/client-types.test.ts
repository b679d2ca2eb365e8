/** What compilers of others see of `sendall/client`: a page's knows nothing of Node, a program's nothing of browsers. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const COMMON = `
import { type Client, connect, SendallError } from "sendall/client";
const client: Client = connect("/chat", {
  onMessage: (data: string | Uint8Array) => {},
  onClose: ({ code, willRetry }) => { const text: string = code.toFixed() + String(willRetry); },
  onError: (error) => error instanceof SendallError && error.status,
  reconnect: { attempts: 5 },
});
const sent: boolean = client.send(new Uint8Array(1));
const state: "connecting" | "open" | "waiting" | "closing" | "closed" = client.state;
const unsubscribe: () => void = client.subscribe(({ state, retryAt, resumed }) => {
  const same: typeof client.state = state;
  const waits: number = retryAt === undefined || resumed ? 0 : retryAt - Date.now();
});
client.on("message", (data) => data.length);
client.on("close", ({ unsent, uncertain }) => [...unsent, ...uncertain].map((data) => typeof data === "string" || data.byteLength));
connect(async () => new URL("ws://server/"), { session: false, onOpen: ({ resumed, why, replayed, lost }) => why.length + replayed + lost });
client.channel("ann", { onMessage: (data) => data.length }).opened.then(() => client.close(1000, "done"));
// @ts-expect-error no object is a message
client.send({});
// @ts-expect-error there is no such event
client.on("closed", () => {});
// @ts-expect-error a state is read, not set
client.status.state = "open";
// @ts-expect-error there is no such option
connect("/", { reconnects: false });
`;

/** What the compiler complains about. */
async function complaints(code: string, options: object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sendall-types-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const compilerOptions = {
    target: "ES2023",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  };
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await writeFile(join(folder, "main.ts"), code);
  await writeFile(join(folder, "package.json"), `{ "type": "module" }`);
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", folder], (_error, stdout) =>
      resolve(stdout),
    );
  });
}

/** Our declarations as a page has them. */
const paths = { "sendall/client": [join(ROOT, "dist/client.d.ts")] };

test("a page compiles with the library of browsers alone", async () => {
  const code = `${COMMON}
connect("ws://server/", { WebSocket });
connect(new URL("ws://server/"), { WebSocket: class extends WebSocket {} });
`;
  const page = { lib: ["ES2023", "DOM"], types: [], module: "ESNext", moduleResolution: "Bundler", paths };
  expect(await complaints(code, page)).toBe("");
});

test("a program compiles with Node's types and the class of ws", async () => {
  const code = `${COMMON}
import { WebSocket } from "ws";
connect("ws://server/", { WebSocket, protocols: ["a"] });
connect("ws://server/", { headers: { authorization: "x" } });
connect("ws://server/", { headers: async () => ({ authorization: "x" }) });
`;
  const program = { lib: ["ES2023"], types: ["node"], module: "NodeNext", paths, skipLibCheck: true };
  expect(await complaints(code, program)).toBe("");
});
