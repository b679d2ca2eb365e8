/** How far the headers of proxies are believed. */
import { describe, expect, test } from "vitest";
import { applyTrustedProxies, clientAddress, requestedHost } from "../../../src/admission/proxy.js";

const head = {
  url: "/",
  headers: "",
  version: 13,
  remoteAddress: "10.0.0.1",
  remotePort: 4000,
  localAddress: "10.0.0.2",
  secure: false,
};

function address(header: string, trustProxy: boolean | number): string {
  return applyTrustedProxies(head, { "x-forwarded-for": header }, trustProxy).remoteAddress;
}

describe("without trust", () => {
  const headers = {
    host: "inner",
    "x-forwarded-for": "1.1.1.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "outer",
  };

  test.each([false, 0])("nothing is believed: %s", (trustProxy) => {
    expect(applyTrustedProxies(head, headers, trustProxy)).toBe(head);
    expect(requestedHost(headers, trustProxy)).toBe("inner");
    expect(clientAddress("1.1.1.1", "10.0.0.1", trustProxy)).toBe("10.0.0.1");
  });
});

describe("with trust in a number of proxies", () => {
  test.each<[trust: boolean | number, expected: string]>([
    [1, "3.3.3.3"],
    [2, "2.2.2.2"],
    [3, "1.1.1.1"],
    [4, "1.1.1.1"],
    [true, "1.1.1.1"],
  ])("%s: that many addresses from the right are believed", (trust, expected) => {
    expect(address("1.1.1.1, 2.2.2.2 ,3.3.3.3", trust)).toBe(expected);
  });

  test("an address may carry a port", () => {
    expect(address("1.2.3.4:5678", 1)).toBe("1.2.3.4");
    expect(address("[2001:db8::1]:5678", 1)).toBe("2001:db8::1");
    expect(address("[2001:db8::1]", 1)).toBe("2001:db8::1");
    expect(address("2001:db8::1", 1)).toBe("2001:db8::1");
  });

  test.each([
    ["::ffff:1.1.1.1", "1.1.1.1"],
    ["::FFFF:1.1.1.1", "1.1.1.1"],
    ["::ffff:101:101", "1.1.1.1"],
    ["0:0:0:0:0:ffff:1.1.1.1", "1.1.1.1"],
    ["[::ffff:1.1.1.1]:80", "1.1.1.1"],
    ["[::ffff:1.1.1.1]", "1.1.1.1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8:0:0:0:0:0:1", "2001:db8::1"],
    ["[2001:DB8:0::1]:443", "2001:db8::1"],
    ["[::1]:80", "::1"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["1.2.3.4", "1.2.3.4"],
    ["1.2.3.4:567", "1.2.3.4"],
    ["::ffff:1.1.1", "::ffff:1.1.1"],
    ["unknown", "unknown"],
    ["_hidden", "_hidden"],
    ["a:b:c", "a:b:c"],
  ])("an address has one spelling: %s is %s", (written, address_) => {
    expect(address(written, 1)).toBe(address_);
    expect(clientAddress(`6.6.6.6, ${written}`, "10.0.0.1", 1)).toBe(address_);
  });

  test("without a header, or with an empty one, the socket's address counts", () => {
    expect(applyTrustedProxies(head, {}, 1)).toEqual(head);
    for (const empty of ["", " ", "1.1.1.1,"]) expect(address(empty, 1)).toBe("10.0.0.1");
  });

  test("the protocol says whether the peer's end is secure", () => {
    const secure = (header: string, trust: boolean | number): boolean =>
      applyTrustedProxies(head, { "x-forwarded-proto": header }, trust).secure;
    for (const header of ["https", "wss", "HTTPS"]) expect([header, secure(header, 1)]).toEqual([header, true]);
    for (const header of ["http", "ws", "httpsx", ""]) expect([header, secure(header, 1)]).toEqual([header, false]);
    expect(secure("https, http", 1)).toBe(false);
    expect(secure("https, http", 2)).toBe(true);
    expect(secure("https", 2)).toBe(true);
    expect(applyTrustedProxies({ ...head, secure: true }, { "x-forwarded-proto": "http" }, 1).secure).toBe(false);
  });

  test("the host is the one that the peer asked the proxy for", () => {
    const headers = { host: "inner", "x-forwarded-host": "spoofed, outer" };
    expect(requestedHost(headers, 1)).toBe("outer");
    expect(requestedHost(headers, true)).toBe("spoofed");
    expect(requestedHost({ host: "inner" }, 1)).toBe("inner");
    expect(requestedHost({ host: "inner", "x-forwarded-host": "" }, 1)).toBe("inner");
    expect(requestedHost({}, true)).toBeUndefined();
  });
});
