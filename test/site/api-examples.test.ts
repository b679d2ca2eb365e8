/** Each name that people start from has an example in its TSDoc, and each example compiles and runs as code of a page does. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { compile } from "../compiling.js";
import { playBlocks } from "./play.js";
import { HOME, Programs } from "./programs.js";
import { createWorkplace } from "./workplace.js";

/** Every function that a program calls by itself, and the symbol that a loop compares, by the module that exports each. */
const STARTING_NAMES = {
  sendall: [
    "attach",
    "channels",
    "close",
    "fromLogic",
    "idle",
    "noreply",
    "perConnection",
    "ping",
    "pong",
    "reject",
    "reply",
    "route",
    "serve",
  ],
  "sendall/asyncapi": ["asyncapi"],
  "sendall/client": ["connect"],
  "sendall/metrics": ["metrics"],
  "sendall/nats": ["jetstream", "nats"],
  "sendall/otel": ["otel"],
  "sendall/protocol": ["protocol", "refuse"],
  "sendall/react": ["useClient", "useClientState", "useMessages"],
  "sendall/redis": ["redis", "redisHistory"],
  "sendall/sqlite": ["sqlite"],
  "sendall/testing": ["createTestRuntime", "delayedHistory", "explore"],
  "sendall/testing/cluster-adapter": ["memory", "testClusterAdapter"],
  "sendall/testing/history-store": ["testHistoryStore"],
  "sendall/workers": ["workers"],
} as const;
const names: readonly string[] = Object.values(STARTING_NAMES).flat();

interface Example {
  readonly name: string;
  readonly language: string;
  readonly code: string;
}

const DOCUMENTED = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport (?:async )?(?:function|const) (\w+)/g;
const EXAMPLE = /@example\n```(\w+)\n([\s\S]*?)```/;

function examplesIn(source: string): Example[] {
  return [...source.matchAll(DOCUMENTED)].flatMap(([, comment = "", name = ""]) => {
    const [, language, code] = EXAMPLE.exec(comment.replaceAll(/^ \* ?/gm, "")) ?? [];
    return language === undefined || code === undefined ? [] : [{ name, language, code }];
  });
}

const examples = readdirSync(`${HOME}src`, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .flatMap((path) => examplesIn(readFileSync(`${HOME}src/${path}`, "utf8")));

describe("the examples of the API", () => {
  test("stand at every name that people start from", () => {
    expect(examples.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });

  test("cover every function that the package exports", async () => {
    const { exports } = JSON.parse(readFileSync(`${HOME}package.json`, "utf8"));
    const modules = Object.keys(exports)
      .filter((path) => !/\.js(on)?$/.test(path))
      .map((path) => path.replace(/^\./, "sendall"));
    expect(modules.toSorted()).toEqual(Object.keys(STARTING_NAMES).toSorted());
    for (const [module, listed] of Object.entries(STARTING_NAMES)) {
      const exported = Object.entries(await import(/* @vite-ignore */ module));
      // Classes of errors are thrown, not called.
      const called = exported.filter(([, value]) => !(value instanceof Function && value.prototype instanceof Error));
      expect([module, called.map(([name]) => name).toSorted()]).toEqual([module, listed.toSorted()]);
    }
  });

  test("have 5 to 20 lines, and import what they are about", () => {
    for (const { name, code } of examples) {
      const lines = code.trimEnd().split("\n");
      expect([name, lines.length >= 5 && lines.length <= 20]).toEqual([name, true]);
      const [module] = Object.entries(STARTING_NAMES).find(([, listed]) => listed.some((one) => one === name)) ?? [];
      expect([name, code]).toEqual([
        name,
        expect.stringMatching(new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from "${module}"`)),
      ]);
    }
  });

  test("compile under strict settings", async () => {
    const declarations = (name: string): string[] => [
      fileURLToPath(new URL(`../../dist/${name}.d.ts`, import.meta.url)),
    ];
    const files = Object.fromEntries(examples.map(({ name, language, code }) => [`${name}.${language}`, code]));
    const output = await compile(files, Object.keys(files), {
      lib: ["ES2023", "ESNext.Disposable", "DOM"],
      jsx: "react-jsx",
      paths: { sendall: declarations("index"), "sendall/*": declarations("*") },
    });
    expect(output).toBe("");
  });

  test.each(examples.filter(({ language }) => language === "tsx"))(
    "bundle for a page: $name",
    async ({ name, code }) => {
      const build = await rolldown({
        input: "example.tsx",
        plugins: [
          {
            name: "example",
            resolveId: (id) => (id === "example.tsx" ? `${HOME}example.tsx` : null),
            load: (id) => (id === `${HOME}example.tsx` ? code : null),
          },
        ],
        external: /^react/,
        logLevel: "silent",
      });
      const { output } = await build.generate();
      await build.close();
      expect(output[0].exports.length, name).toBe(1);
    },
  );
});

const hasSqlite = process.getBuiltinModule("node:sqlite") !== undefined;
const isTest = ({ code }: Example): boolean => code.includes(`from "vitest"`);
const runnable = examples.filter(
  ({ language, code }) => language === "ts" && (hasSqlite || !code.includes("sendall/sqlite")),
);

describe("the programs among the examples of the API", () => {
  const { folder, bin, remove } = createWorkplace();
  afterAll(remove);

  test.each(runnable.filter((example) => !isTest(example)))(
    "get to their end, or to their address: $name",
    async ({ name, code }) => {
      const file = `${folder}/${name}.mts`;
      writeFileSync(file, code);
      const programs = new Programs(folder, bin, code, { hasTypeScript: true });
      onTestFinished(() => programs.killAll());
      const program = await programs.start(process.execPath, [file]);
      if (/^console\.log\(.*url|console\.log\((server\.url|"http)/m.test(code))
        await program.prints(/^(ws|http):\/\/\S+$/m);
      else expect([await program.exited, program.output]).toEqual([0, expect.any(String)]);
    },
  );
});

for (const example of runnable.filter(isTest)) await playBlocks(`api/${example.name}`, [example]);
