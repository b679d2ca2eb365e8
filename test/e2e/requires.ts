/**
 * Programs from outside npm that some tests need, and SQLite, which newer versions of Node have: without one its tests are skipped with a notice
 * that names it, or fail if `SENDALL_REQUIRE` (a comma list) says that it has to be there.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const { PATH = "", SENDALL_REQUIRE = "" } = process.env;
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

/** `"sqlite"` is a part of Node. */
export type Program = keyof typeof COMMANDS | "sqlite";

/** `skip` is for `describe.skipIf`; `path` is where the program is, `""` when its tests are skipped. */
export function requires(program: Program): { skip: boolean; path: string } {
  const path = program === "sqlite" ? findSqlite() : find(COMMANDS[program]);
  if (path !== undefined) return { skip: false, path };
  const missing =
    program === "sqlite"
      ? `Node ${process.versions.node} has no SQLite (Node 22.13 and newer have)`
      : `${COMMANDS[program]} is not installed (looked for in PATH and ${SBIN})`;
  if (required().has(program)) throw new Error(`${missing}, and SENDALL_REQUIRE asks for it`);
  console.warn(`Skipped: ${missing}`);
  return { skip: true, path: "" };
}

function findSqlite(): string | undefined {
  return process.getBuiltinModule("node:sqlite") === undefined ? undefined : process.execPath;
}

function find(command: string): string | undefined {
  const folders = PATH.split(delimiter).filter((folder) => folder !== "");
  return [...folders, SBIN].map((folder) => join(folder, command)).find(isExecutable);
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
  const unknown = names.find((name) => name !== "" && name !== "sqlite" && !(name in COMMANDS));
  if (unknown !== undefined) {
    throw new Error(`SENDALL_REQUIRE names ${unknown}; it may name ${[...Object.keys(COMMANDS), "sqlite"].join(", ")}`);
  }
  return new Set(names);
}
