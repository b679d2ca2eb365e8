/**
 * Bundles a program that uses `sendall` and `sendall/testing` for a page: the sources as they are, and `node-stand-ins.ts` in the place of
 * Node. The plugin serves the site (`docs/.vitepress/config.ts`) and the test of the demo.
 */
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const MODULE = "virtual:sessions-stage";
const RESOLVED = `\0${MODULE}`;
const STAGE = fileURLToPath(new URL("./stage.ts", import.meta.url));
const STAND_INS = fileURLToPath(new URL("./node-stand-ins.ts", import.meta.url));
const SOURCES = fileURLToPath(new URL("../../../../src/", import.meta.url));

/** Packages that only a server on a network, or a log, loads. */
const OF_NODE = /^(?:node:.*|pino|ws|sirv)$/;
/** Loaded by the client in Node alone. */
const NODE_SOCKET = /\/node-socket\.js$/;
const NOTHING = "\0nothing";

export async function bundleStage(): Promise<string> {
  const bundle = await rolldown({
    input: STAGE,
    platform: "browser",
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    transform: { inject: { Buffer: [STAND_INS, "Buffer"], process: [STAND_INS, "process"] } },
    plugins: [
      {
        name: "sendall-in-a-page",
        resolveId(id) {
          if (NODE_SOCKET.test(id)) return NOTHING;
          if (OF_NODE.test(id)) return STAND_INS;
          const [, plate] = /^sendall\/?(.*)$/.exec(id) ?? [];
          return plate === undefined ? undefined : `${SOURCES}${plate || "index"}.ts`;
        },
        load: (id) => (id === NOTHING ? "export {};" : undefined),
      },
    ],
    // An import without a stand-in would fail in the page.
    onLog(level, log) {
      if (level === "warn") throw new Error(log.message);
    },
  });
  const { output } = await bundle.generate({ minify: true, comments: false, codeSplitting: false });
  await bundle.close();
  const [chunk, ...others] = output;
  if (others.length > 0) throw new Error(`the demo is to be one file, not ${output.length}`);
  return chunk.code;
}

/** A plugin of Vite: `import("virtual:sessions-stage")` gets `stage.ts` and the server, in one file of its own. */
export function sendallInAPage(): {
  name: string;
  resolveId(id: string): string | undefined;
  load(id: string): Promise<string> | undefined;
} {
  let code: Promise<string> | undefined;
  return {
    name: "sendall-in-a-page",
    resolveId: (id) => (id === MODULE ? RESOLVED : undefined),
    load: (id) => {
      if (id !== RESOLVED) return undefined;
      // VitePress builds the site twice, for the browser and for its own HTML.
      code ??= bundleStage();
      return code;
    },
  };
}
