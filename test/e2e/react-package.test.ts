/** `sendall/react` as shipped: what it imports, how large it is, what compilers see. Needs the build. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { describe, expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAX_BYTES = 2_200;

test("the package has the hooks, which share the client with sendall/client", async () => {
  const built = await rolldown({
    input: join(ROOT, "dist/react.js"),
    external: ["react", join(ROOT, "dist/client.js")],
    onLog() {},
  });
  const { output } = await built.generate({ minify: true });
  expect(output[0].imports).toEqual(["react", "client.js"]);
  expect(output[0].exports.toSorted()).toEqual(["useClient", "useClientState", "useMessages"]);
  expect(gzipSync(output[0].code, { level: 9 }).length).toBeLessThanOrEqual(MAX_BYTES);
});

test("its errors are the errors of sendall/client", async () => {
  const [{ useClientState }, { SendallError }] = await Promise.all(
    ["react.js", "client.js"].map((name) => import(/* @vite-ignore */ pathToFileURL(join(ROOT, "dist", name)).href)),
  );
  expect(() => useClientState()).toThrow(SendallError);
});

test("modules with hooks are modules for clients, to frameworks that render on servers", () => {
  for (const name of ["use-client", "use-messages"])
    expect(readFileSync(join(ROOT, `dist/react/${name}.js`), "utf8")).toMatch(/^"use client";/);
});

/** A component as users write one. */
const PAGE = `
import { useEffect, useState } from "react";
import { type Client, connect } from "sendall/client";
import { useClient, useClientState, useMessages, type UseClientOptions } from "sendall/react";

const options: UseClientOptions = { key: "a", onOpen: ({ resumed }) => void resumed, protocols: ["chat"] };

export function Chat({ token }: { token: string }) {
  const client: Client = useClient(() => "/chat?token=" + token, options);
  const { state, retryAt } = useClientState(client);
  const list = useMessages(client, (list: string[], message) => [...list, String(message)], []);
  const count = useMessages(connect("/chat"), (count) => count + 1, 0);
  const [draft, setDraft] = useState("");
  useEffect(() => client.on("message", (message) => setDraft(String(message))), [client]);
  const [first] = list;
  return <form onSubmit={() => client.send(draft)}>{state} {retryAt?.toFixed()} {first?.length} {count.toFixed()}</form>;
}

// @ts-expect-error: an option that does not exist
useClient("/chat", { onMesage() {} });
// @ts-expect-error: the state is a number
useMessages(connect("/chat"), (count: number) => String(count), 0);
// @ts-expect-error: a client is asked for
useClientState("/chat");
`;

describe.each([18, 19])("the types compile with the types of React %s", (version) => {
  test.each([
    ["a bundler's", { module: "ESNext", moduleResolution: "Bundler" }],
    ["Node's", { module: "NodeNext" }],
  ])("and %s resolution", async (_whose, settings) => {
    const from = createRequire(join(ROOT, version === 18 ? "test/react-18/package.json" : "package.json"));
    const types = dirname(from.resolve("@types/react/package.json"));
    const folder = mkdtempSync(join(tmpdir(), "sendall-react-types-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "page.tsx"), PAGE);
    const compilerOptions = {
      target: "ES2023",
      lib: ["ES2023", "DOM"],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      jsx: "react-jsx",
      ...settings,
      paths: {
        react: [join(types, "index.d.ts")],
        "react/jsx-runtime": [join(types, "jsx-runtime.d.ts")],
        "sendall/*": [join(ROOT, "dist/*.d.ts")],
      },
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["page.tsx"] }));
    const output = await new Promise((resolve) => {
      const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
      execFile(process.execPath, [compiler, "-p", folder, "--pretty", "false"], (_error, text) => resolve(text));
    });
    expect(output).toBe("");
  });
});
