/**
 * Programs from outside npm that some tests need, SQLite, which newer versions of Node have, and Next.js, Bun and Deno, which are installed apart: without one
 * its tests are skipped with a notice that names it, or fail if `SENDALL_REQUIRE` (a comma list) says that it has to be there.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findRuntime } from "../runtimes/binaries.js";

const { PATH = "", SENDALL_REQUIRE = "" } = process.env;
const NEXT = fileURLToPath(new URL("../next/", import.meta.url));
const COMMANDS = {
  nats: "nats-server",
  redis: "redis-server",
  chromium: "chromium",
  prometheus: "promtool",
  nginx: "nginx",
  caddy: "caddy",
} as const;

/** Where Debian has nginx; the PATH of a user without privileges leaves the folder out. */
const SBIN = "/usr/sbin";

/** What is no command of the machine: how to find it, and what to say without it. `"sqlite"` is a part of Node. */
const OTHERS = {
  sqlite: {
    find: () => (process.getBuiltinModule("node:sqlite") === undefined ? undefined : process.execPath),
    missing: `Node ${process.versions.node} has no SQLite (Node 22.13 and newer have)`,
  },
  next: {
    find: () => [join(NEXT, "node_modules/next/dist/bin/next")].find(isExecutable),
    missing: "Next.js is not installed (npm ci --prefix test/next)",
  },
  bun: { find: () => findRuntime("bun"), missing: "Bun is not installed (npm ci --prefix test/runtimes)" },
  deno: { find: () => findRuntime("deno"), missing: "Deno is not installed (npm ci --prefix test/runtimes)" },
} as const;

export type Program = keyof typeof COMMANDS | keyof typeof OTHERS;

/** `skip` is for `describe.skipIf`; `path` is where the program is, `""` when its tests are skipped. */
export function requires(program: Program): { skip: boolean; path: string } {
  const { find, missing } = isOther(program) ? OTHERS[program] : commandOf(COMMANDS[program]);
  const path = find();
  if (path !== undefined) return { skip: false, path };
  if (required().has(program)) throw new Error(`${missing}, and SENDALL_REQUIRE asks for it`);
  console.warn(`Skipped: ${missing}`);
  return { skip: true, path: "" };
}

function isOther(program: string): program is keyof typeof OTHERS {
  return program in OTHERS;
}

function commandOf(command: string): { find(): string | undefined; readonly missing: string } {
  const folders = PATH.split(delimiter).filter((folder) => folder !== "");
  return {
    find: () => [...folders, SBIN].map((folder) => join(folder, command)).find(isExecutable),
    missing: `${command} is not installed (looked for in PATH and ${SBIN})`,
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A name that means nothing is refused: a typing error must not turn a required test into a skipped one. */
function required(): Set<string> {
  const names = SENDALL_REQUIRE.split(",").map((name) => name.trim());
  const known = [...Object.keys(COMMANDS), ...Object.keys(OTHERS)];
  const unknown = names.find((name) => name !== "" && !known.includes(name));
  if (unknown !== undefined) throw new Error(`SENDALL_REQUIRE names ${unknown}; it may name ${known.join(", ")}`);
  return new Set(names);
}
