/**
 * The second half of `npm run build`: makes `dist/client.js`, a single module without imports for pages without a bundler, and
 * `dist/client.min.js`, the same program in as few bytes as possible. Runs after tsc, whose own `dist/client.js` the bundle replaces, and
 * reads `src/`, since tsc writes a file again only after a change. Types stay those of tsc.
 */
import { readFile } from "node:fs/promises";
import { rolldown } from "rolldown";
import { minify } from "terser";

/** Properties that no other program reads: objects which parts of the client hand to each other. */
const INTERNAL =
  `acknowledge act announce askMs begin bytes callback clock control count create delay dueAt emit enlist factory fail forget face fulfil given go
  isKept isOpen isSession lateMs leave make limitMs number offer onAcknowledged onClosed onConnectionClosed onData onFailed onFrame onPayload
  onOpened over onRefused onUpgraded opening owner patience payload phaseMs promise since put renew report retries
  settings silenceMs silentMs left stateOf tell timer url verb waits write`.split(/\s+/);

/** @type {import("rolldown").InputOptions} */
const options = {
  input: "src/client.ts",
  // Loaded by Node alone, from the place where tsc has put the file: `./client/node-socket.js`.
  external: /\/node-socket\.js$/,
  platform: "browser",
  // An import that is not found would stay in the module.
  onLog(level, { message }) {
    if (level === "warn") throw new Error(message);
  },
};

/**
 * Errors of the smallest build name an option that is not accepted, and do not tell what would be.
 * @type {import("rolldown").Plugin}
 */
const fewerWords = {
  name: "fewer-words",
  async load(id) {
    if (!id.endsWith("/src/client/texts.ts")) return undefined;
    return { code: await readFile(id.replace(/\.ts$/, ".min.ts"), "utf8"), moduleType: "ts" };
  },
};

/**
 * Terser puts functions in the place of their only call, which the minifier of the bundler leaves alone; the latter is better at names.
 * @type {import("rolldown").Plugin}
 */
const fewerFunctions = {
  name: "fewer-functions",
  async renderChunk(source) {
    const compress = {
      passes: 4,
      unsafe_arrows: true,

      keep_fargs: false,
      pure_getters: true,
      unsafe: true,
    };
    const { code, map } = await minify(source, { module: true, ecma: 2020, compress, mangle: false, sourceMap: true });
    return { code: String(code), map: String(map) };
  },
};

const bundle = await rolldown(options);
await bundle.write({ file: "dist/client.js", sourcemap: true, comments: false });
const smallest = await rolldown({ ...options, plugins: [fewerWords, fewerFunctions] });
const mangleProps = { include: new RegExp(`^(?:${INTERNAL.join("|")})$`) };
await smallest.write({
  file: "dist/client.min.js",
  // The file does not name its map.
  sourcemap: "hidden",
  comments: false,
  minify: { compress: true, mangle: true, mangleProps },
});
