// @ts-check
/** NATS and Redis as child processes, for clusters that are measured. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

/** @type {Record<string, (port: number) => { readonly command: readonly string[], readonly ready: RegExp, readonly url: string }>} */
const ENGINES = {
  nats: (port) => ({
    command: ["nats-server", "-a", "127.0.0.1", "-p", `${port}`],
    ready: /Server is ready/,
    url: `nats://127.0.0.1:${port}`,
  }),
  redis: (port) => ({
    command: ["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--save", ""],
    ready: /Ready to accept connections/,
    url: `redis://127.0.0.1:${port}`,
  }),
};

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

/**
 * Starts an engine, which is killed when this process ends.
 * @param {string} name
 * @param {(command: readonly string[]) => readonly string[]} [pin] the command, pinned to a core
 */
export async function startEngine(name, pin = (command) => command) {
  const engine = ENGINES[name];
  if (engine === undefined) throw new Error(`there is no engine ${name}`);
  const { command, ready, url } = engine(await freePort());
  const [program = "", ...args] = pin(command);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const kill = () => {
    process.off("exit", kill);
    child.kill("SIGKILL");
  };
  process.on("exit", kill);
  await new Promise((resolve, reject) => {
    child.once("error", reject);
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => ready.test(String(chunk)) && resolve(undefined));
  });
  return { url, pid: child.pid ?? 0, kill };
}

/** @param {string} name */
export function isEngineInstalled(name) {
  const [program = ""] = ENGINES[name]?.(0).command ?? [];
  return spawnSync(program, ["--version"]).error === undefined;
}
