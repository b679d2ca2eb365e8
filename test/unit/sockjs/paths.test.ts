/** The path parser: endpoints and session ids below a SockJS route. */
import { describe, expect, test } from "vitest";
import { EVERY_PATH } from "../../../src/admission/router.js";
import { pathParser } from "../../../src/sockjs/protocol/paths.js";

/** The base, the endpoint and the session id: `"/echo xhr abc"`. */
function parse(route: string, path: string): string | undefined {
  const target = pathParser(route)(path);
  return target && `${target.base} ${target.endpoint ?? "-"} ${target.sessionId}`.trim();
}

describe("below /echo", () => {
  test.each([
    ["/echo", "/echo greeting"],
    ["/echo/", "/echo greeting"],
    ["/echo/info", "/echo info"],
    ["/echo/info/", "/echo info"],
    ["/echo/iframe.html", "/echo iframe"],
    ["/echo/iframe-1.6.1.html", "/echo iframe"],
    ["/echo/websocket", "/echo raw"],
    ["/echo/000/abc/websocket", "/echo websocket abc"],
    ["/echo/000/abc/xhr", "/echo xhr abc"],
    ["/echo/000/abc/xhr/", "/echo xhr abc"],
    ["/echo/000/a%20c/jsonp_send", "/echo jsonp_send a%20c"],
    ["/echo//", "/echo -"],
    ["/echo///", "/echo -"],
    ["/echo/info//", "/echo -"],
    ["/echo//info", "/echo -"],
    ["/echo/INFO", "/echo -"],
    ["/echo/000/abc/xhr//", "/echo -"],
    ["/echo/000/abc/xhr/x", "/echo -"],
    ["/echo/0.0/abc/xhr", "/echo -"],
    ["/echo/000//xhr", "/echo -"],
    ["/echo/000/abc/constructor", "/echo -"],
    ["/echox", undefined],
    ["/echox/info", undefined],
    ["/", undefined],
    ["/Echo/info", undefined],
  ])("%s is %s", (path, expected) => {
    expect(parse("/echo", path)).toBe(expected);
  });
});

test.each([
  ["/a/b", "/a/b/c/d/xhr", "/a/b xhr d"],
  ["/a/b", "/a/b", "/a/b greeting"],
  ["/a/b", "/a", undefined],
  ["/a/", "/a/info", "/a/ info"],
  ["/a/", "/a", "/a/ greeting"],
  ["/ü", "/%C3%BC/info", "/%C3%BC info"],
  ["/ü", "/%c3%bc/info", "/%C3%BC info"],
  ["/%c3%bc", "/%C3%BC/000/abc/xhr", "/%C3%BC xhr abc"],
  ["/ü", "/%zz/info", undefined],
  ["/a%2Fb", "/a%2fb/info", "/a%2Fb info"],
  ["/a%2Fb", "/a/b/info", undefined],
  ["/räume/:name", "/r%c3%a4ume/%c3%bc/info", "/r%C3%A4ume/%C3%BC info"],
  ["/räume/:name", "/r%C3%A4ume/a%2fb/000/abc/xhr", "/r%C3%A4ume/a%2Fb xhr abc"],
  ["/", "/info", "/ info"],
  ["/", "/000/abc/xhr", "/ xhr abc"],
  ["/", "/", "/ greeting"],
  ["/", "/x", "/ -"],
  ["/room/:name", "/room/a%20b/info", "/room/a%20b info"],
  ["/room/:name", "/room/a", "/room/a greeting"],
  ["/room/:name", "/room/a/", "/room/a greeting"],
  ["/room/:name", "/room/a/000/abc/xhr", "/room/a xhr abc"],
  ["/room/:name", "/room//info", undefined],
  ["/room/:name", "/room", undefined],
  ["/:a/x/:b", "/1/x/2/info", "/1/x/2 info"],
  ["/:a/x/:b", "/1/y/2/info", undefined],
  [EVERY_PATH, "/info", "/ info"],
  [EVERY_PATH, "/a/b/info", "/a/b info"],
  [EVERY_PATH, "/000/abc/xhr", "/ xhr abc"],
  [EVERY_PATH, "/a/b/000/abc/xhr", "/a/b xhr abc"],
  [EVERY_PATH, "/websocket", "/ raw"],
  [EVERY_PATH, "/a/websocket", "/a raw"],
  [EVERY_PATH, "/a/b/websocket", "/ websocket b"],
  [EVERY_PATH, "/a.b/c/websocket", "/a.b/c raw"],
  [EVERY_PATH, "/", undefined],
  [EVERY_PATH, "/a/b/xhr", "/ xhr b"],
  [EVERY_PATH, "/b/xhr", undefined],
  [EVERY_PATH, "/any", undefined],
])("below %s, %s is %s", (route, path, expected) => {
  expect(parse(route, path)).toBe(expected);
});

test("a path of very many parts is looked at as far as it matters", () => {
  const long = `/echo${"/a".repeat(5_000)}`;
  expect(parse("/echo", long)).toBe("/echo -");
  expect(parse("/:name", long)).toBe("/echo -");
});
