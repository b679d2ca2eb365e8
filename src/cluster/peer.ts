/** What the adapters of engines have in common before there is a connection: the engine's client, and the prefix of all subjects. */
import { SendallError, show } from "../errors.js";
import { PREFIX } from "./subject.js";

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

/** Throws `BAD_OPTION` unless it can stand before a subject. */
export function checkPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix !== "string" || !PREFIX.test(prefix))
    throw new SendallError(
      "BAD_OPTION",
      `prefix: expected words of letters, digits, "_" and "-" with dots between them, got ${show(prefix)}`,
      { option: "prefix" },
    );
}
