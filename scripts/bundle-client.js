/**
 * The second half of `npm run build`: makes `dist/client.js`, a single module without imports for pages without a bundler, and
 * `dist/client.min.js`, the same program in as few bytes as possible; and `dist/protocol.js`, as small, for pages (Node loads
 * `dist/protocol/node.js`, which shares its modules with the server). Runs after tsc, whose own files of these names the bundles replace, and
 * reads `src/`, since tsc writes a file again only after a change. Types stay those of tsc.
 */
import { readFile } from "node:fs/promises";
import { rolldown } from "rolldown";
import { minify } from "terser";

/** Properties that no other program reads: objects which parts of the client hand to each other. */
const OF_CLIENT = `acknowledge act announce askMs begin bytes callback clock control count create delay dueAt emit enlist factory fail forget face fulfil given go
  isKept isOpen isSession lateMs leave make limitMs number offer onAcknowledged onClosed onConnectionClosed onData onFailed onFrame onPayload
  onOpened line over onRefused onUpgraded opening owner patience payload phaseMs promise since put renew report retries
  settings silenceMs silentMs left stateOf tell timer url verb waits write`;
const OF_PROTOCOL = "end make onAnswer";

/** @type {import("rolldown").InputOptions} */
const options = {
  // Loaded by Node alone, from the place where tsc has put the file: `./client/node-socket.js`.
  external: /\/node-socket\.js$/,
  platform: "browser",
  // An import that is not found would stay in the module.
  onLog(level, { message }) {
    if (level === "warn") throw new Error(message);
  },
};

/**
 * A file `name.min.ts` stands in for `name.ts`. Errors of the smallest build name an option that is not accepted, and tell less of what
 * would be.
 * @type {import("rolldown").Plugin}
 */
const fewerWords = {
  name: "fewer-words",
  async load(id) {
    const code = await readFile(id.replace(/\.ts$/, ".min.ts"), "utf8").catch(() => undefined);
    return code && { code, moduleType: "ts" };
  },
};

/**
 * Terser puts functions in the place of their only call, which the minifier of the bundler leaves alone; the latter is better at names.
 * @type {import("rolldown").Plugin}
 */
const fewerFunctions = {
  name: "fewer-functions",
  async renderChunk(source, { fileName }) {
    const compress = {
      hoist_funs: fileName === "protocol.js",
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

/**
 * @param {string} input
 * @param {string} file
 * @param {string} internal names of properties
 */
async function writeSmallest(input, file, internal) {
  const bundle = await rolldown({ ...options, input, plugins: [fewerWords, fewerFunctions] });
  const mangleProps = { include: new RegExp(`^(?:${internal.trim().split(/\s+/).join("|")})$`) };
  await bundle.write({
    file,
    // The file does not name its map.
    sourcemap: "hidden",
    comments: false,
    minify: { compress: true, mangle: true, mangleProps },
  });
}

const bundle = await rolldown({ ...options, input: "src/client.ts" });
await bundle.write({ file: "dist/client.js", sourcemap: true, comments: false });
await writeSmallest("src/client.ts", "dist/client.min.js", OF_CLIENT);
await writeSmallest("src/protocol.ts", "dist/protocol.js", OF_PROTOCOL);
