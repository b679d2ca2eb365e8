/** Which route a path has, and with which parameters. */
import { describe, expect, test } from "vitest";
import { EVERY_PATH, Router } from "../../../src/admission/router.js";

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

  test("goes to the route that names it before a route with parameters, whichever came first", () => {
    const match = router("/room/:name", "/room/lobby");
    expect(match("/room/lobby")).toEqual(["/room/lobby", {}]);
    expect(match("/room/other")).toEqual(["/room/:name", { name: "other" }]);
  });

  test("goes to the first of several routes that fit", () => {
    expect(router("/:a/x", "/:b/:c")("/1/x")).toEqual(["/:a/x", { a: "1" }]);
    expect(router("/:b/:c", "/:a/x")("/1/x")).toEqual(["/:b/:c", { b: "1", c: "x" }]);
  });

  test("that no other route matches goes to the route of every path", () => {
    const match = router("/chat", EVERY_PATH);
    expect([match("/chat"), match("/x/y"), match("")]).toEqual([
      ["/chat", {}],
      [EVERY_PATH, {}],
      [EVERY_PATH, {}],
    ]);
  });

  test("is not matched by the properties that every object has", () => {
    const match = router("/:name");
    expect(match("/constructor")).toEqual(["/:name", { name: "constructor" }]);
    expect(router("/chat")("toString")).toBeUndefined();
  });

  test("is the same in every spelling, in code and in requests", () => {
    for (const written of ["/räume/süd", "/r%C3%A4ume/s%C3%BCd", "/r%c3%a4ume/s%c3%bcd", "/r%C3%A4ume/süd"]) {
      const match = router(written);
      for (const asked of ["/r%C3%A4ume/s%C3%BCd", "/r%c3%a4ume/s%C3%bcd", "/%72%c3%a4%75me/s%c3%bcd", "/räume/süd"])
        expect([written, asked, match(asked)]).toEqual([written, asked, [written, {}]]);
      for (const other of ["/raume/sud", "/r%25C3%25A4ume/s%25C3%25BCd", "/r%C3%A4ume%2Fs%C3%BCd", "/r%E4ume/s%FCd"])
        expect([written, other, match(other)]).toEqual([written, other, undefined]);
    }
  });

  test("with parameters is the same in every spelling, too", () => {
    for (const written of ["/räume/:name", "/r%c3%a4ume/:name"]) {
      const match = router(written);
      for (const asked of ["/r%C3%A4ume/x", "/r%c3%a4ume/x", "/räume/%78"])
        expect([written, asked, match(asked)]).toEqual([written, asked, [written, { name: "x" }]]);
    }
    expect(router("/%3Aname/:name")("/:name/x")).toEqual(["/%3Aname/:name", { name: "x" }]);
    expect(router("/%3Aname/:name")("/y/x")).toBeUndefined();
  });

  test("keeps what is encoded of its delimiters inside their segments", () => {
    const match = router("/a%2Fb", "/a/b", "/c%3Fd%23", "/100%25", "/x/:name");
    expect(match("/a%2fb")?.[0]).toBe("/a%2Fb");
    expect(match("/a/b")?.[0]).toBe("/a/b");
    expect(match("/a%252Fb")).toBeUndefined();
    expect(match("/c%3fd%23")?.[0]).toBe("/c%3Fd%23");
    expect(match("/100%25")?.[0]).toBe("/100%25");
    expect(match("/x/a%2Fb%2f")).toEqual(["/x/:name", { name: "a/b/" }]);
    expect(match("/x%2Fy")).toBeUndefined();
  });

  test("that cannot be decoded stands for itself, segment by segment", () => {
    const match = router("/räume/:name", "/%zz");
    for (const broken of ["%", "%z", "%zz", "%c3", "%C3%28", "%ff", "%ed%a0%80", "100%"])
      expect([broken, match(`/r%C3%A4ume/${broken}`)]).toEqual([broken, ["/räume/:name", { name: broken }]]);
    expect(match("/%zz/x")).toBeUndefined();
    expect(match("/\ud800/x")).toBeUndefined();
    expect(router("/chat", EVERY_PATH)("/%zz")).toEqual([EVERY_PATH, {}]);
  });

  test("has parameters without a prototype", () => {
    const made = new Router<string>();
    for (const path of ["/chat", "/:name"]) made.add(path, path);
    for (const path of ["/chat", "/x"]) expect(Object.getPrototypeOf(made.match(path)?.params)).toBe(null);
    expect(made.match("/x")?.params.constructor).toBeUndefined();
  });
});
