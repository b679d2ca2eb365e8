// @ts-check
// The page is written in JSX, and React comes as CommonJS: a bundler makes a single script of both. A program of yours would do so before it is deployed.
import { rolldown } from "rolldown";

/** @param {string} file @returns {Promise<string>} the script */
export async function bundle(file) {
  const build = await rolldown({
    input: file,
    platform: "browser",
    // For Node alone.
    external: /\/node-socket\.js$/,
    transform: { define: { "process.env.NODE_ENV": '"production"' } },
    onLog(level, log, handle) {
      // Said of every package with hooks.
      if (log.code !== "MODULE_LEVEL_DIRECTIVE") handle(level, log);
    },
  });
  const { output } = await build.generate({ format: "esm", codeSplitting: false, minify: true });
  await build.close();
  return output[0].code;
}
