/** The compiler as a reader of the documentation has it: what it says of programs that import the package. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What the compiler says of those of the files that are named as its roots, and of what they import. */
export function compile(
  files: Readonly<Record<string, string>>,
  roots: readonly string[] = Object.keys(files),
  options: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sendall-types-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const [name, code] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), code);
  }
  const sources = { sendall: [join(ROOT, "src/index.ts")], "sendall/*": [join(ROOT, "src/*.ts")] };
  const compilerOptions = { allowJs: true, checkJs: true, noUnusedParameters: false, paths: sources, ...options };
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: join(ROOT, "tsconfig.json"), compilerOptions, include: [], files: roots }),
  );
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, "-p", folder, "--pretty", "false"], (_error, output) => resolve(output));
  });
}

/** What the compiler says of each of the programs. */
export async function complaintsAbout(programs: readonly string[]): Promise<string[]> {
  const names = programs.map((_, i) => `program-${i}.ts`);
  const output = await compile(Object.fromEntries(programs.map((code, i) => [names[i], code])));
  const complaints = output.split(/^(?=\S)/m);
  return names.map((name) => complaints.filter((text) => text.includes(`${name}(`)).join(""));
}
