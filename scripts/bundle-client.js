/**
 * The second half of `npm run build`: makes `dist/client.js`, a single module without imports for pages without a bundler, and
 * `dist/client.min.js`, the same program minified. Runs after tsc, whose own `dist/client.js` the bundle replaces, and reads `src/`, since
 * tsc writes a file again only after a change. Types stay those of tsc.
 */
import { rolldown } from "rolldown";

const bundle = await rolldown({
  input: "src/client.ts",
  // Loaded by Node alone, from the place where tsc has put the file: `./client/node-socket.js`.
  external: /\/node-socket\.js$/,
  platform: "browser",
  // An import that is not found would stay in the module.
  onLog(level, { message }) {
    if (level === "warn") throw new Error(message);
  },
});
await bundle.write({ file: "dist/client.js", sourcemap: true });
await bundle.write({ file: "dist/client.min.js", sourcemap: true, minify: true });
