/** The README's samples about routes compile, as a reader's editor checks JavaScript, and mistakes are told of in the words of the user. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What the compiler says of the given files. */
function compile(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sendall-readme-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const [name, code] of Object.entries(files)) writeFileSync(join(folder, name), code);
  const sources = { sendall: [join(ROOT, "src/index.ts")], "sendall/*": [join(ROOT, "src/*.ts")] };
  const compilerOptions = { allowJs: true, checkJs: true, noUnusedParameters: false, paths: sources };
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: join(ROOT, "tsconfig.json"), compilerOptions, include: [], files: Object.keys(files) }),
  );
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, "-p", folder, "--pretty", "false"], (_error, output) => resolve(output));
  });
}

test("the README's samples with routes compile", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const samples = Array.from(readme.matchAll(/^```js\n([\s\S]*?)^```$/gm), ([, code = ""]) => code).filter((code) =>
    code.includes("routes:"),
  );
  expect(samples.length).toBeGreaterThan(3);
  expect(await compile(Object.fromEntries(samples.map((code, i) => [`sample-${i}.js`, code])))).toBe("");
});

/** Mistakes, and words that the compiler's complaint has. */
const MISTAKES = [
  [`serve({ port: 0 })`, /Property 'handler' is missing .* required in type 'HandlerInsteadOfRoutes</],
  [`serve({ handler() {}, routes: { "/a": { handler() {} } } })`, /property 'routes' are incompatible/],
  [`serve({ prot: 80, handler() {} })`, /'prot' does not exist in type 'ServerOptions</],
  [`attach(host, { port: 80, handler() {} })`, /'port' does not exist in type 'AttachedServerOptions</],
  [`serve({ routes: { "/a": {} } })`, /Property 'handler' is missing in type '{}' but required in type 'RouteEntry</],
  [`serve({ routes: { "/a": { sockj: true, handler() {} } } })`, /did you mean to write 'sockjs'/i],
  [`serve({ routes: { "/a": { handlr() {} } } })`, /did you mean to write 'handler'/i],
  [`serve({ routes: { "/a": { authorize: 5, handler() {} } } })`, /'number' is not assignable to type '\(request: /],
  [
    `serve({ routes: { "/a": { handler: { init: () => 0, handle: () => "x" } } } })`,
    /'string' is not assignable to type/,
  ],
  [
    `serve({ routes: { "/a": { handler: { init: () => 0 } } } })`,
    /Property 'handle' is missing .* required in type 'StatefulHandler</,
  ],
  [`serve({ handler: { init: () => 0 } })`, /Property 'handle' is missing/],
  [
    `serve({ routes: { "/a": { authorize: () => ({ nick: "" }), handler: (event) => event.type === "open" && event.connection.data.nik } } })`,
    /did you mean 'nick'/i,
  ],
  [`serve({ authorize: "x", handler() {} })`, /'string' is not assignable to type 'Authorize</],
  [`perConnection({ init: () => 0, handel: () => noreply(0) })`, /did you mean to write 'handle'/i],
  [`channels({ a: 5 })`, /'number' is not assignable to type 'Handler</],
] as const;

test("the compiler tells of mistakes in the words of the user, without the names of what infers types", async () => {
  const head = `import { attach, channels, noreply, perConnection, serve } from "sendall"; declare const host: import("node:http").Server;`;
  const names = MISTAKES.map((_, i) => `mistake-${i}.ts`);
  const output = await compile(
    Object.fromEntries(
      MISTAKES.map(([code], i) => [
        names[i],
        `${head}\nvoid [attach, channels, noreply, perConnection, serve, host];\n${code};\n`,
      ]),
    ),
  );
  const complaints = output.split(/^(?=\S)/m);
  for (const [i, [code, words]] of MISTAKES.entries()) {
    const complaint = complaints.filter((text) => text.includes(`${names[i]}(`)).join("");
    expect(complaint, code).toMatch(words);
    expect(complaint, code).not.toMatch(/Impossible|ResolvedLast|KnownData|RouteEntries|"method"|Omit<|Pick</);
  }
});
