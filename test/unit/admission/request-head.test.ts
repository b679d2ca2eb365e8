/** The facts of a request, read out of its head. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CommonHeaders } from "../../../src/admission/common-headers.js";
import {
  joinHeaders,
  ParsedHead,
  readAdmissionHeaders,
  readPath,
  withoutCookies,
} from "../../../src/admission/request-head.js";
import { decode } from "../../../src/options/route-path.js";
import { headOf } from "../stage.js";

function facts(url: string, ...rawHeaders: string[]): ParsedHead {
  return new ParsedHead({ ...headOf(url), headers: joinHeaders(rawHeaders) });
}

describe("headers", () => {
  test("are read by lower-case name, repeated ones joined, cookies in their own way", () => {
    const { headers } = facts("/", "Host", "a", "X-A", "1", "x-a", "2", "Cookie", "a=1", "cookie", "b=2");
    expect({ ...headers }).toEqual({ host: "a", "x-a": "1, 2", cookie: "a=1; b=2" });
  });

  test("may be empty, hold colons, and bear the names of an object's own", () => {
    const { headers } = facts("/", "X-Empty", "", "X-Time", "10:20", "constructor", "c", "__proto__", "p");
    expect(Object.entries(headers)).toEqual([
      ["x-empty", ""],
      ["x-time", "10:20"],
      ["constructor", "c"],
      ["__proto__", "p"],
    ]);
    expect(headers.toString).toBeUndefined();
  });

  test("may be missing altogether", () => {
    expect({ ...facts("/").headers }).toEqual({});
  });

  test("are read once", () => {
    const one = facts("/?a=1", "Cookie", "a=1");
    const [headers, cookies, query] = [one.headers, one.cookies, one.query];
    expect([one.headers === headers, one.cookies === cookies, one.query === query]).toEqual([true, true, true]);
  });
});

describe("headers that requests have in common", () => {
  const names = ["Host", "Cookie", "cookie", "X-Request-Id", "x-forwarded-for", "Sec-WebSocket-Key", "Accept", "X-A"];
  const rawHeaders = fc
    .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom("", "a", "b c", "x c", "d:e; f")), { maxLength: 12 })
    .map((pairs) => pairs.flat());

  test("and headers of one request alone are read as if they had been kept together, with cookies and without", () => {
    fc.assert(
      fc.property(fc.array(rawHeaders, { maxLength: 3 }), (requests) => {
        const common = new CommonHeaders();
        for (const raw of requests) {
          const whole = { ...headOf("/"), headers: joinHeaders(raw) };
          const { admission, ...parts } = common.split(raw);
          expect(admission).toEqual(readAdmissionHeaders(raw));
          const split = { ...headOf("/"), ...parts };
          expect(Object.entries(new ParsedHead(split).headers)).toEqual(Object.entries(new ParsedHead(whole).headers));
          const [less, wholeLess] = [split, whole].map((head) => new ParsedHead(withoutCookies(head)));
          expect(Object.entries(less?.headers ?? {})).toEqual(Object.entries(wholeLess?.headers ?? {}));
        }
      }),
    );
  });

  test("are one object for every request that differs only in headers of its own", () => {
    const common = new CommonHeaders();
    const [ann, bob] = ["ann", "bob"].map((user) =>
      common.split(["Host", "a", "Cookie", `user=${user}`, "Accept", "b"]),
    );
    expect(ann?.headers).toBe(bob?.headers);
    expect([ann?.individualValues, bob?.individualValues]).toEqual(["user=ann", "user=bob"]);
  });

  test("are told from headers that differ in a single letter, whatever came before", () => {
    const common = new CommonHeaders();
    const british = ["Host", "a", "Accept-Language", "en-GB,en;q=0.9", "X-Forwarded-For", "1.1.1.1"];
    const american = ["Host", "a", "Accept-Language", "en-US,en;q=0.9", "X-Forwarded-For", "2.2.2.2"];
    const requests = [british, american, british, british.slice(0, 4), american, [...american, "X-A", ""], american];
    const splits = requests.map((raw) => common.split(raw));
    expect(splits.map((split) => ({ ...new ParsedHead({ ...headOf("/"), ...split }).headers }))).toEqual(
      requests.map((raw) => ({ ...new ParsedHead({ ...headOf("/"), headers: joinHeaders(raw) }).headers })),
    );
    expect(splits.map(({ admission }) => admission["x-forwarded-for"])).toEqual(
      requests.map((raw) => readAdmissionHeaders(raw)["x-forwarded-for"]),
    );
    expect([splits[2]?.headers, splits[6]?.headers]).toEqual([splits[0]?.headers, splits[1]?.headers]);
  });
});

describe("cookies", () => {
  test.each([
    ["a=1; b=2", { a: "1", b: "2" }],
    ["a=1;b=2 ;  c = 3 ", { a: "1", b: "2", c: "3" }],
    ["a=b=c", { a: "b=c" }],
    ["a=1; a=2", { a: "1" }],
    ['a="quoted value"', { a: "quoted value" }],
    ['a="', { a: '"' }],
    ["a=%C3%A4%20b", { a: "ä b" }],
    ["a=100%", { a: "100%" }],
    ["a=", { a: "" }],
    ["nothing; =; a=1", { "": "", a: "1" }],
    [
      "toString=1; __proto__=2",
      Object.fromEntries([
        ["toString", "1"],
        ["__proto__", "2"],
      ]),
    ],
  ])("of %j are %j", (header, expected) => {
    expect(Object.entries(facts("/", "Cookie", header).cookies)).toEqual(Object.entries(expected));
  });

  test("are none without the header", () => {
    expect(Object.keys(facts("/").cookies)).toEqual([]);
  });
});

test("a head without its cookies has all else", () => {
  const headers = joinHeaders(["Host", "a", "Cookie", "a=1", "X-A", "cookie", "cookie", "b=2", "X-Cookie", "c"]);
  const less = new ParsedHead(withoutCookies({ ...headOf("/x?y"), headers }));
  expect({ ...less.headers }).toEqual({ host: "a", "x-a": "cookie", "x-cookie": "c" });
  expect(Object.keys(less.cookies)).toEqual([]);
  expect(less.path).toBe("/x");
});

describe("the target", () => {
  test.each([
    ["/", "/", ""],
    ["/chat?", "/chat", ""],
    ["/chat?a=1&a=2&b=x%20y+z", "/chat", "a=1&a=2&b=x+y+z"],
    ["/a%20b?c=?d", "/a%20b", "c=%3Fd"],
    ["?a=1", "", "a=1"],
  ])("%j has the path %j and the query %j", (url, path, query) => {
    expect([readPath(url), facts(url).path, facts(url).query.toString()]).toEqual([path, path, query]);
  });
});

describe("decoding", () => {
  test.each([
    ["a%2Fb", "a/b"],
    ["caf%C3%A9", "café"],
    ["plain", "plain"],
    ["100%", "100%"],
    ["%E0%A4%A", "%E0%A4%A"],
    ["%ff", "%ff"],
  ])("turns %j into %j", (text, expected) => {
    expect(decode(text)).toBe(expected);
  });
});
