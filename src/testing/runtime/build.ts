/** Makes the runtimes of tests and of explored runs out of the same options. */
import { SendallError } from "../../api/errors.js";
import { show } from "../../runtime/show.js";
import type { TestRuntimeOptions } from "./contracts.js";
import { checkSeed, LiveRuntime } from "./live.js";
import type { World } from "./steps.js";

/** @param preset the seed where the options have none */
export function buildRuntime<D, S, R>(
  options: TestRuntimeOptions<D, S, R>,
  preset: number,
  world: World,
): LiveRuntime<D> {
  const { failures = "throw", seed = preset, ...serverOptions } = options;
  checkSeed("seed", seed);
  if (failures !== "throw" && failures !== "supervise")
    throw new SendallError("BAD_OPTION", `failures: expected "throw" or "supervise", got ${show(failures)}`, {
      option: "failures",
    });
  return new LiveRuntime<D>(serverOptions, { throws: failures === "throw", seed }, world);
}
