/** Which pages may connect. */
import { describe, expect, test } from "vitest";
import { allowsOrigin, normalOrigin, pageOrigin } from "../../../src/admission/origin.js";

describe('the origins "same"', () => {
  test.each([
    ["http://example.com", "example.com"],
    ["https://example.com", "example.com"],
    ["http://example.com", "example.com:80"],
    ["https://example.com:443", "example.com"],
    ["https://example.com", "example.com:443"],
    ["http://example.com:8080", "example.com:8080"],
    ["HTTP://Example.COM", "EXAMPLE.com"],
    ["http://[2001:db8::1]:8080", "[2001:db8::1]:8080"],
  ])("are %s for the host %s", (origin, host) => {
    expect(allowsOrigin("same", origin, host)).toBe(true);
  });

  test.each([
    ["http://example.com", "example.com:8080"],
    ["http://example.com:8080", "example.com"],
    ["http://example.com", "example.com:443"],
    ["https://example.com", "example.com:80"],
    ["http://evil.com", "example.com"],
    ["http://example.com.evil.com", "example.com"],
    ["http://www.example.com", "example.com"],
    ["null", "example.com"],
    ["null", "localhost"],
    ["", "example.com"],
    ["file://", ""],
    ["file://", "localhost"],
    ["example.com", "example.com"],
    ["http://example.com", undefined],
    ["http://example.com", ""],
    ["http://example.com", "not a host"],
  ])("are not %s for the host %s", (origin, host) => {
    expect(allowsOrigin("same", origin, host)).toBe(false);
  });

  test("are those of this machine among themselves, whatever the port", () => {
    const names = ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "app.localhost"];
    for (const from of names)
      for (const to of names)
        expect([from, to, allowsOrigin("same", `http://${from}:3000`, `${to}:9000`)]).toContain(true);
  });

  test("are not those of this machine and of another", () => {
    const others = ["example.com", "127.0.0.1.evil.com", "localhost.evil.com", "128.0.0.1", "[::2]", "notlocalhost"];
    for (const other of others) {
      expect([other, allowsOrigin("same", `http://${other}`, "localhost")]).toEqual([other, false]);
      expect([other, allowsOrigin("same", "http://localhost", other)]).toEqual([other, false]);
    }
  });
});

describe("a list of origins", () => {
  const list = ["https://example.com", "http://localhost:3000"];

  test("lets in the listed origins, also where the port is the scheme's own", () => {
    for (const origin of [...list, "https://example.com:443", "https://EXAMPLE.com"])
      expect([origin, allowsOrigin(list, origin, "other.org")]).toEqual([origin, true]);
  });

  test("lets in no other origin, not even the server's own", () => {
    for (const origin of [
      "http://example.com",
      "https://example.com:8443",
      "http://localhost",
      "http://other.org",
      "null",
      "",
    ])
      expect([origin, allowsOrigin(list, origin, "other.org")]).toEqual([origin, false]);
    expect(allowsOrigin([], "https://example.com", "example.com")).toBe(false);
  });
});

test('the origins "any" are every origin', () => {
  for (const origin of ["https://example.com", "null", "", "nonsense"])
    expect(allowsOrigin("any", origin, "other.org")).toBe(true);
});

test("whoever sends no origin is no page, and passes", () => {
  for (const origins of ["same", "any", [], ["https://example.com"]] as const)
    expect(allowsOrigin(origins, undefined, "example.com")).toBe(true);
});

test("an origin is read as a browser would write it", () => {
  expect(normalOrigin("HTTPS://Example.com:443/path?x#y")).toBe("https://example.com");
  expect(normalOrigin("http://example.com:8080")).toBe("http://example.com:8080");
  expect(normalOrigin("null")).toBeUndefined();
  expect(normalOrigin("file:///etc")).toBeUndefined();
});

test.each([
  [{ origin: "http://a.example", referer: "http://b.example/", "sec-fetch-site": "same-origin" }, "http://a.example"],
  [{}, undefined],
  [{ "sec-fetch-site": "none", referer: "http://b.example/" }, undefined],
  [{ "sec-fetch-site": "same-origin", referer: "http://b.example/" }, "http://own.example:81"],
  [{ "sec-fetch-site": "same-site" }, "null"],
  [{ "sec-fetch-site": "cross-site" }, "null"],
  [{ "sec-fetch-site": "cross-site", referer: "http://b.example:82/path" }, "http://b.example:82"],
  [{ referer: "http://b.example/path" }, "http://b.example"],
  [{ referer: "nonsense" }, "null"],
])("the page of a plain request with %j is %s", (headers, expected) => {
  const given: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(headers));
  expect(pageOrigin({ headers: given, host: "own.example:81", secure: false })).toBe(expected);
});

test("the page of a plain request of the same origin is at https behind TLS", () => {
  const headers = { "sec-fetch-site": "same-origin" };
  expect(pageOrigin({ headers, host: "own.example", secure: true })).toBe("https://own.example");
});
