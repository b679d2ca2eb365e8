/** Where pages are played: a folder for each test file, with the commands that a reader has, or what stands for them. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLI, HOME } from "./programs.js";

/** In the repository, so that the pages' programs find `sendall` and everything that it is developed with. */
const PAGES = fileURLToPath(new URL("./.pages/", import.meta.url));

/** Commands for what the tests cannot have: a page's own checks say what can be said of these. */
const ONLY_SHOWN = [
  "docker",
  "kubectl",
  "systemctl",
  "journalctl",
  "sudo",
  "git",
  "apt",
  "apt-get",
  "caddy",
  "nginx",
  "brew",
  "deno",
  "bun",
  "bunx",
  "wscat",
  "ab",
  "openssl",
];

export interface Workplace {
  readonly folder: string;
  /** The folder of commands that come before those of the machine. */
  readonly bin: string;
  remove(): void;
}

/** Each test file has its own, since files run at the same time. */
export function createWorkplace(): Workplace {
  mkdirSync(PAGES, { recursive: true });
  const folder = mkdtempSync(PAGES);
  const bin = join(folder, "bin");
  mkdirSync(bin);
  // Pages with a package.json of their own are packages of their own.
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(HOME, join(folder, "node_modules/sendall"), "dir");
  // `npx vitest run` looks upwards for a configuration, and must not find the repository's.
  writeFileSync(join(folder, "vitest.config.js"), "export default {};\n");
  const commands: Record<string, string> = {
    sendall: `exec node "${CLI}" "$@"`,
    npx: `while [ "$1" = --yes ] || [ "$1" = -y ]; do shift; done; exec "$@"`,
    npm: `exec node "${fileURLToPath(new URL("./shims/npm.js", import.meta.url))}" "$@"`,
    ...Object.fromEntries(ONLY_SHOWN.map((name) => [name, "exit 0"])),
  };
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return { folder, bin, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
