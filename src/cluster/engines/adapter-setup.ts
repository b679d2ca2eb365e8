/**
 * What the cluster adapters do before they connect: check the options, and import the engine's client, an optional peer dependency.
 * `nats()`, `redis()` and `workers()` use the functions here.
 */
import { SendallError } from "../../api/errors.js";
import { isRecord, MAX_NATIVE_MS } from "../../options/kinds.js";
import { show } from "../../runtime/show.js";
import { PREFIX } from "../subject.js";

/** Loads an optional peer dependency; throws `CLUSTER_UNAVAILABLE`, with the command to install the package, if there is none. */
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

/** Throws `BAD_OPTION` for an option of an adapter. */
export function refuseOption(option: string, problem: string): never {
  throw new SendallError("BAD_OPTION", `${option}: ${problem}`, { option });
}

/** Throws `BAD_OPTION` unless `options` is an object, without other names than `names` (if given). */
export function checkAdapterOptions(options: unknown, names?: readonly string[]): void {
  if (!isRecord(options)) refuseOption("options", `expected an object, got ${show(options)}`);
  for (const name of Object.keys(options))
    if (names?.includes(name) === false) refuseOption(name, `is no option; there are ${names.join(", ")}`);
  const { waitForLink } = options;
  if (waitForLink !== undefined && typeof waitForLink !== "boolean")
    refuseOption("waitForLink", `expected true or false, got ${show(waitForLink)}`);
}

/** Throws `BAD_OPTION` unless the native timers of the engine's client can wait for `value` milliseconds. */
export function checkWait(option: string, value: unknown, min: number): void {
  if (value === undefined) return;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > MAX_NATIVE_MS)
    refuseOption(option, `expected a whole number of milliseconds from ${min} to ${MAX_NATIVE_MS}, got ${show(value)}`);
}

/** Throws `BAD_OPTION` unless `prefix` is a valid start of a subject. */
export function checkPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix !== "string" || !PREFIX.test(prefix))
    throw new SendallError(
      "BAD_OPTION",
      `prefix: expected words of letters, digits, "_" and "-" with dots between them, got ${show(prefix)}`,
      { option: "prefix" },
    );
}
