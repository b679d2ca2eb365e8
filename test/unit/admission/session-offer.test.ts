/** Offers of sessions: what is taken out of a handshake, what is left, and which name answers. */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answeredProtocol, hideSessionNames, readSessionOffer } from "../../../src/admission/session-offer.js";

const TOKEN = "sendall.1.AAAAAAAAAAAAAAAAAAAAAA.17.0.2";

/** An offer in a single header. */
function offerOf(header: string) {
  return readSessionOffer(["Host", "a", "Sec-WebSocket-Protocol", header, "X-A", "b"]);
}

describe("names of sessions", () => {
  test.each<[header: string, left: string | undefined, isBare: boolean, paired: string[]]>([
    ["sendall.1", undefined, true, []],
    [`sendall.1, ${TOKEN}`, undefined, true, []],
    [TOKEN, undefined, false, []],
    ["chat+sendall.1, chat", "chat", false, ["chat"]],
    ["chat, chat+sendall.1", "chat", false, ["chat"]],
    ["chat+sendall.1", "chat", false, ["chat"]],
    [`b+sendall.1, b, a+sendall.1, a,${TOKEN}`, "b, a", false, ["b", "a"]],
    ["sendall.1, chat", "chat", true, []],
    ["chat, sendall.1 ,sendall.1.", "chat", true, []],
    ["+sendall.1, chat", "chat", false, []],
    [`${TOKEN}+sendall.1, chat`, "chat", false, []],
    ["sendall.1+sendall.1, chat", "chat", false, []],
  ])("are taken out of the header: %s", (header, left, isBare, paired) => {
    const rawHeaders = ["Host", "a", ...(left === undefined ? [] : ["Sec-WebSocket-Protocol", left]), "X-A", "b"];
    expect(offerOf(header)).toMatchObject({ rawHeaders, isBare, paired });
  });

  test("are taken out of several headers, whatever the case of the header's name, and a program's name stays once", () => {
    const raw = ["sec-websocket-protocol", `chat+sendall.1, ${TOKEN}`, "X-A", TOKEN, "SEC-WEBSOCKET-PROTOCOL", "chat"];
    const rawHeaders = ["sec-websocket-protocol", "chat", "X-A", TOKEN];
    expect(readSessionOffer(raw)).toMatchObject({ rawHeaders, isBare: false, paired: ["chat"] });
  });

  test.each([
    "chat",
    "sendall.10",
    "sendall.2",
    "xsendall.1",
    "sendall",
    "Sendall.1",
    "a+sendall.1.b",
    "chat, sendall.11",
  ])("are no others: %s", (header) => {
    expect(offerOf(header)).toBeUndefined();
  });

  test("are looked for in headers of subprotocols alone", () => {
    expect(
      readSessionOffer(["Host", "sendall.1", "X-A", TOKEN, "Sec-WebSocket-Protocols", "sendall.1"]),
    ).toBeUndefined();
    expect(readSessionOffer([])).toBeUndefined();
  });

  test("leave no part of a token behind, however the names are mixed", () => {
    const name = fc.constantFrom(
      "sendall.1",
      TOKEN,
      `${TOKEN}+sendall.1`,
      "sendall.1.",
      "+sendall.1",
      "a",
      "a+sendall.1",
    );
    const line = fc.tuple(fc.constantFrom("Sec-WebSocket-Protocol", "sec-websocket-protocol"), fc.array(name));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const raw = lines.flatMap(([header, names]) => [header, names.join(",")]);
        const left = readSessionOffer(raw)?.rawHeaders ?? raw;
        expect(left.join(" ")).not.toContain("sendall.1");
        expect(left.filter((_value, i) => i % 2 === 1 && _value === "a").length).toBeLessThanOrEqual(
          lines.some(([, names]) => names.some((one) => one.includes("sendall.1"))) ? 1 : lines.length,
        );
      }),
    );
  });
});

describe("a session of before", () => {
  const PLAIN = "AAAAAAAAAAAAAAAAAAAAAA";
  const DASHED = "a-_AAAAAAAAAAAAAAAAAAA";

  test.each<[text: string, offer: object]>([
    [`${PLAIN}.17.0.2`, { token: PLAIN, received: 17, lost: 0, dial: 2 }],
    [`${DASHED}.0.3.1`, { token: DASHED, received: 0, lost: 3, dial: 1 }],
    [`0123456789ab-${DASHED}.0.0.1`, { token: `0123456789ab-${DASHED}`, received: 0, lost: 0, dial: 1 }],
    [
      `${PLAIN}.9007199254740991.9007199254740991.9007199254740991`,
      { token: PLAIN, received: 2 ** 53 - 1, lost: 2 ** 53 - 1, dial: 2 ** 53 - 1 },
    ],
  ])("is named by token, received, lost and dial: %s", (text, resume) => {
    expect(offerOf(`sendall.1, sendall.1.${text}`)).toMatchObject({ asksToResume: true, resume, isBare: true });
    expect(offerOf(`chat+sendall.1, sendall.1.${text}, chat`)).toMatchObject({ asksToResume: true, resume });
  });

  test.each([
    "",
    PLAIN,
    `${PLAIN}.0.0`,
    `${PLAIN}.0.0.0`,
    `${PLAIN}.0.0.1.1`,
    `${PLAIN}.0.0.1.`,
    `.${PLAIN}.0.0.1`,
    `${PLAIN}.-1.0.1`,
    `${PLAIN}.01.0.1`,
    `${PLAIN}.1e3.0.1`,
    `${PLAIN}.0x1.0.1`,
    `${PLAIN}..0.1`,
    `${PLAIN}.9007199254740992.0.1`,
    `${PLAIN}.0.9007199254740992.1`,
    `${PLAIN}.0.0.9007199254740992`,
    `${PLAIN}.99999999999999999999.0.1`,
    `${PLAIN}A.0.0.1`,
    `${PLAIN.slice(1)}.0.0.1`,
    `${PLAIN.slice(1)}=.0.0.1`,
    `${PLAIN.slice(1)}+.0.0.1`,
    `node_1-${PLAIN}.0.0.1`,
    `-${PLAIN}.0.0.1`,
    `a-b-${PLAIN}.0.0.1`,
    `${PLAIN}.0.0.1+sendall.1`,
  ])("is asked for, but not named, by a malformed name: %j", (text) => {
    const offer = offerOf(`sendall.1, sendall.1.${text}`);
    expect([offer?.asksToResume, offer?.resume]).toEqual([true, undefined]);
  });

  test("is not named by two different names, and is named by the same name twice", () => {
    const [one, other] = [`sendall.1.${PLAIN}.0.0.1`, `sendall.1.${PLAIN}.0.0.2`];
    for (const header of [`sendall.1, ${one}, ${other}`, `${one}, ${other}, ${one}`, `${one}, sendall.1.x`]) {
      const offer = offerOf(header);
      expect([offer?.asksToResume, offer?.resume]).toEqual([true, undefined]);
    }
    expect(offerOf(`${one}, ${one}`)?.resume?.dial).toBe(1);
    const twice = readSessionOffer(["Sec-WebSocket-Protocol", one, "sec-websocket-protocol", other]);
    expect([twice?.asksToResume, twice?.resume]).toEqual([true, undefined]);
  });

  test("is not asked for by an offer of a fresh session", () => {
    for (const header of ["sendall.1", "chat+sendall.1, chat"])
      expect([offerOf(header)?.asksToResume, offerOf(header)?.resume]).toEqual([false, undefined]);
  });
});

describe("the answer", () => {
  test.each<[header: string, chosen: string, answered: string]>([
    ["sendall.1", "", "sendall.1"],
    [TOKEN, "", ""],
    ["chat+sendall.1, chat", "chat", "chat+sendall.1"],
    ["chat+sendall.1, chat", "", ""],
    ["a+sendall.1, a, b", "b", "b"],
    ["a+sendall.1, a, sendall.1", "", "sendall.1"],
    ["sendall.1, chat", "chat", "chat"],
  ])("to %s, where the program's name is %j, is %j", (header, chosen, answered) => {
    expect(answeredProtocol(chosen, offerOf(header))).toBe(answered);
  });

  test("without an offer is the program's name", () => {
    expect([answeredProtocol("chat", undefined), answeredProtocol("", undefined)]).toEqual(["chat", ""]);
  });
});

describe("a plain request", () => {
  function request(rawHeaders: string[], headers: IncomingMessage["headers"]): IncomingMessage {
    const made = new IncomingMessage(new Socket());
    made.rawHeaders = rawHeaders;
    made.headers = headers;
    return made;
  }

  test("keeps a program's subprotocols", () => {
    const header = `chat+sendall.1, chat, ${TOKEN}`;
    const made = request(["Sec-WebSocket-Protocol", header], { "sec-websocket-protocol": header });
    hideSessionNames(made);
    expect([made.headers, made.rawHeaders]).toEqual([
      { "sec-websocket-protocol": "chat" },
      ["Sec-WebSocket-Protocol", "chat"],
    ]);
  });

  test("has no header where nothing is left, and is left alone where nothing belongs to sessions", () => {
    const made = request(["A", "b", "Sec-WebSocket-Protocol", TOKEN], { a: "b", "sec-websocket-protocol": TOKEN });
    hideSessionNames(made);
    expect([made.headers, made.rawHeaders]).toEqual([{ a: "b" }, ["A", "b"]]);
    const rawHeaders = ["Sec-WebSocket-Protocol", "chat"];
    const other = request(rawHeaders, { "sec-websocket-protocol": "chat" });
    hideSessionNames(other);
    expect(other.rawHeaders).toBe(rawHeaders);
  });
});
