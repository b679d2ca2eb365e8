/**
 * A proxy in front of programs of a page, in the foreground, on a free port of 127.0.0.1 and with a folder of its own. `nginx.ts` and
 * `caddy.ts` turn a block of a page into a configuration.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, Lines } from "../e2e/programs.js";

export interface ProxyOptions {
  /** Where the servers behind the proxy are (`program.url`), in the order in which the block names their addresses. */
  readonly to: string | readonly string[];
}

export interface RunningProxy {
  /** `http://127.0.0.1:…`, without a slash at the end. */
  readonly url: string;
  /** What the proxy writes to standard error. */
  readonly lines: Lines;
  /** Waits until clients have left. @returns the access log of nginx; that of Caddy is among `lines` */
  stop(): Promise<string>;
  /** Stops at once, if the proxy still runs. */
  kill(): Promise<void>;
}

export interface ProxyProgram {
  readonly path: string;
  /** The configuration, for a port to listen on and a folder for files. */
  configure(port: number, folder: string): string;
  /** The command line, for the file of the configuration. */
  args(file: string): readonly string[];
  /** Written once the port is open. */
  readonly ready: RegExp;
  /** Lets requests under way finish. */
  readonly gentle: NodeJS.Signals;
}

/** In the folder; what a block says of the access logs of nginx leads here. */
export const ACCESS_LOG = "access.log";

export async function startProxy({ path, configure, args, ready, gentle }: ProxyProgram): Promise<RunningProxy> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "sendall-proxy-"));
  const file = join(folder, "proxy.conf");
  writeFileSync(file, configure(port, folder));
  const child = spawn(path, args(file), { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, HOME: folder } });
  const lines = new Lines(child.stderr);
  await lines.next(ready);
  return {
    url: `http://127.0.0.1:${port}`,
    lines,
    async stop() {
      await end(child, gentle);
      const log = join(folder, ACCESS_LOG);
      const text = existsSync(log) ? readFileSync(log, "utf8") : "";
      rmSync(folder, { recursive: true });
      return text;
    },
    async kill() {
      await end(child, "SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}

/** Leads the n-th address that `pattern` finds in the block to the n-th server; the same address leads to the same server. */
export function leadTo(block: string, pattern: RegExp, { to }: ProxyOptions): string {
  const targets = [to].flat().map((url) => new URL(url).host);
  const found = new Map<string, string>();
  return block.replace(pattern, (_, before: string, address: string) => {
    const target = found.get(address) ?? targets[found.size];
    if (target === undefined) throw new Error(`the block names more servers than the check has: ${address}`);
    found.set(address, target);
    return before + target;
  });
}
