/** What the adapters of engines have in common before there is a connection: the engine's client, and the prefix of all subjects. */

import { SendallError } from "../../api/errors.js";
import { checkNames, checkOptionsObject } from "../../options/read-options.js";
import type { OptionTable } from "../../options/table.js";
import { PREFIX } from "../subject.js";

/** Loads an optional peer dependency; throws `CLUSTER_UNAVAILABLE` with what to install if it is not there. */
export async function importClient<M>(adapter: string, name: string, load: () => Promise<M>): Promise<M> {
  try {
    return await load();
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    if (!isMissing) throw cause;
    throw new SendallError("CLUSTER_UNAVAILABLE", `cluster: ${adapter} needs a package: npm install ${name}`, {
      cause,
    });
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

/** Refuses names which an adapter's table does not have; throws `BAD_OPTION` with the names which the adapter has. */
export function checkAdapterNames(options: unknown, table: OptionTable): void {
  checkOptionsObject(options);
  checkNames({ options }, table, { unknown: (_name, known) => `is no option; there are ${known.join(", ")}` });
}
