/** Makes the runtimes of tests (`create.ts`) and of explored runs (`explore/play.ts`) from the same options. */
import type { ServeOptions } from "../../api/serve-options.js";
import { checkOptionsObject, readSettings } from "../../options/read-options.js";
import type { TestRuntimeOptions } from "./contracts.js";
import type { RuntimeEnvironment } from "./environment.js";
import { LiveRuntime } from "./live.js";

/** Options of a test runtime which `serve` does not have. */
type OwnOptions = Pick<TestRuntimeOptions, Exclude<keyof TestRuntimeOptions, keyof ServeOptions>>;

const runtimeTable = {
  seed: { kind: "whole" },
  failures: { kind: "oneOf", words: ["throw", "supervise"], default: "throw" },
} as const;

/** @param preset the seed if the options have no seed */
export function buildRuntime<D, S, R, T>(
  options: TestRuntimeOptions<D, S, R, T>,
  preset: number,
  environment: RuntimeEnvironment,
): LiveRuntime<D> {
  checkOptionsObject(options);
  const { seed, failures } = readSettings<OwnOptions, typeof runtimeTable>(runtimeTable, { options });
  const { seed: _seed, failures: _failures, ...serverOptions } = options;
  const settings = { throws: failures === "throw", seed: seed ?? preset, ownOptions: runtimeTable };
  return new LiveRuntime<D>(serverOptions, settings, environment);
}
