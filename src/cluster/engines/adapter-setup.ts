/**
 * What the cluster adapters, and the stores of history over engines, do before they connect: check the options, and import the engine's client,
 * an optional peer dependency.
 */
import { SendallError } from "../../api/errors.js";
import { isRecord } from "../../options/kinds.js";
import { checkNames, refuseOption } from "../../options/read-options.js";
import type { OptionTable } from "../../options/table.js";
import { nearest } from "../../options/unknown-name.js";
import { PREFIX } from "../subject.js";

/**
 * Loads an optional peer dependency for an adapter, or for a store of history; throws `CLUSTER_UNAVAILABLE`, or `HISTORY_UNAVAILABLE`, with the
 * command to install the package, if there is none.
 */
export async function importClient<M>(
  user: string,
  name: string,
  load: () => Promise<M>,
  part: "cluster" | "history" = "cluster",
): Promise<M> {
  try {
    return await load();
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    if (!isMissing) throw cause;
    const code = part === "cluster" ? "CLUSTER_UNAVAILABLE" : "HISTORY_UNAVAILABLE";
    throw new SendallError(code, `${part}: ${user} needs a package: npm install ${name}`, { cause });
  }
}

/** Rows of options which several adapters have. */
export const linkTable = {
  waitForLink: { kind: "flag", default: false },
  prefix: {
    expected: 'words of letters, digits, "_" and "-" with dots between them',
    accepts: (value: unknown): value is string => typeof value === "string" && PREFIX.test(value),
    default: "sendall",
  },
} as const;

/** Refuses misspelt names of Sendall's own options, where a client takes further options; throws `BAD_OPTION`. */
export function checkOwnSpelling(options: object, own: readonly string[]): void {
  for (const name of Object.keys(options)) {
    const meant = own.includes(name) ? undefined : nearest(name, own);
    if (meant !== undefined) refuseOption(name, `unknown option: did you mean "${meant}"?`);
  }
}

/** Throws `BAD_OPTION` unless the options are an object. An address may have a password, so the message does not show what was given. */
export function checkAdapterOptions(options: unknown, example: string): asserts options is Record<string, unknown> {
  if (!isRecord(options)) refuseOption("options", `expected an object such as ${example}`);
}

/** Refuses names which an adapter's table does not have; throws `BAD_OPTION` with the names which the adapter has. */
export function checkAdapterNames(options: unknown, table: OptionTable, example: string): void {
  checkAdapterOptions(options, example);
  checkNames({ options }, table);
}
