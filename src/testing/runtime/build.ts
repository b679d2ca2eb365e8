/** Makes the runtimes of tests (`create.ts`) and of explored runs (`explore/play.ts`) from the same options. */
import { SendallError } from "../../api/errors.js";
import { show } from "../../runtime/show.js";
import type { TestRuntimeOptions } from "./contracts.js";
import type { RuntimeEnvironment } from "./environment.js";
import { checkSeed, LiveRuntime } from "./live.js";

/** @param preset the seed if the options have no seed */
export function buildRuntime<D, S, R>(
  options: TestRuntimeOptions<D, S, R>,
  preset: number,
  environment: RuntimeEnvironment,
): LiveRuntime<D> {
  const { failures = "throw", seed = preset, ...serverOptions } = options;
  checkSeed("seed", seed);
  if (failures !== "throw" && failures !== "supervise")
    throw new SendallError("BAD_OPTION", `failures: expected "throw" or "supervise", got ${show(failures)}`, {
      option: "failures",
    });
  return new LiveRuntime<D>(serverOptions, { throws: failures === "throw", seed }, environment);
}
