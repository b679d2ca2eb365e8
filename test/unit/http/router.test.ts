/** Which route a path has, and with which parameters. */
import { describe, expect, test } from "vitest";
import { EVERY_PATH, Router } from "../../../src/http/router.js";

function router(...paths: string[]): (path: string) => [string, Record<string, string>] | undefined {
  const made = new Router<string>();
  for (const path of paths) made.add(path, path);
  return (path) => {
    const match = made.match(path);
    return match && [match.route, { ...match.params }];
  };
}

describe("a path", () => {
  test("is matched as it stands", () => {
    const match = router("/chat", "/");
    expect(match("/chat")).toEqual(["/chat", {}]);
    expect(match("/")).toEqual(["/", {}]);
    for (const other of ["/chat/", "/Chat", "/chat/x", "", "chat", "//chat"]) expect(match(other)).toBeUndefined();
  });

  test("is matched part by part, its parameters decoded", () => {
    const match = router("/room/:name", "/room/:name/:user/log");
    expect(match("/room/caf%C3%A9")).toEqual(["/room/:name", { name: "café" }]);
    expect(match("/room/a%2Fb/ann/log")).toEqual(["/room/:name/:user/log", { name: "a/b", user: "ann" }]);
    expect(match("/room/100%")).toEqual(["/room/:name", { name: "100%" }]);
    for (const other of ["/room", "/room/", "/room/a/", "/room/a/b", "/room/a//log"])
      expect(match(other)).toBeUndefined();
  });

  test("has the route that names it before one that has parameters, whichever came first", () => {
    const match = router("/room/:name", "/room/lobby");
    expect(match("/room/lobby")).toEqual(["/room/lobby", {}]);
    expect(match("/room/other")).toEqual(["/room/:name", { name: "other" }]);
  });

  test("has the first of several that fit", () => {
    expect(router("/:a/x", "/:b/:c")("/1/x")).toEqual(["/:a/x", { a: "1" }]);
    expect(router("/:b/:c", "/:a/x")("/1/x")).toEqual(["/:b/:c", { b: "1", c: "x" }]);
  });

  test("that no other route has is that of every path", () => {
    const match = router("/chat", EVERY_PATH);
    expect([match("/chat"), match("/x/y"), match("")]).toEqual([
      ["/chat", {}],
      [EVERY_PATH, {}],
      [EVERY_PATH, {}],
    ]);
  });

  test("is not matched by what an object has of its own", () => {
    const match = router("/:name");
    expect(match("/constructor")).toEqual(["/:name", { name: "constructor" }]);
    expect(router("/chat")("toString")).toBeUndefined();
  });
});
