/** Mistakes are told of in the words of the user: what the compiler says names options and handlers, not the types that infer them. */
import { expect, test } from "vitest";
import { complaintsAbout } from "./compiling.js";

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
  const complaints = await complaintsAbout(
    MISTAKES.map(([code]) => `${head}\nvoid [attach, channels, noreply, perConnection, serve, host];\n${code};\n`),
  );
  for (const [i, [code, words]] of MISTAKES.entries()) {
    expect(complaints[i], code).toMatch(words);
    expect(complaints[i], code).not.toMatch(/Impossible|ResolvedLast|KnownData|RouteEntries|"method"|Omit<|Pick</);
  }
});
