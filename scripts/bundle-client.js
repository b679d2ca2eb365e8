/**
 * The second half of `npm run build`: makes `dist/client.js`, a single module without imports for pages without a bundler, and
 * `dist/client.min.js`, the same program in as few bytes as possible. Runs after tsc, whose own `dist/client.js` the bundle replaces, and
 * reads `src/`, since tsc writes a file again only after a change. Types stay those of tsc.
 */
import { readFile } from "node:fs/promises";
import { rolldown } from "rolldown";

/** Properties that no other program reads: objects which parts of the client hand to each other. */
const INTERNAL =
  `acknowledge act announce askMs begin bytes callback clock control count create delay dueAt emit factory fail forget face fulfil given go
  isKept isMeant isOpen isSession lateMs leave make limitMs number offer onAcknowledged onClosed onConnectionClosed onData onFailed onFrame onPayload
  onOpened over onRefused onUpgraded opening owner patience payload phaseMs promise put renew report retries
  settings silenceMs silentMs left stateOf tell untold url verb waits write`.split(/\s+/);

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

const bundle = await rolldown(options);
await bundle.write({ file: "dist/client.js", sourcemap: true, comments: false });
const smallest = await rolldown({ ...options, plugins: [fewerWords] });
const mangleProps = { include: new RegExp(`^(?:${INTERNAL.join("|")})$`) };
await smallest.write({
  file: "dist/client.min.js",
  // The file does not name its map.
  sourcemap: "hidden",
  comments: false,
  minify: { compress: true, mangle: true, mangleProps },
});
