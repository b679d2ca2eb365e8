/** Sessions of other nodes: whose a token is, and what the nodes tell each other. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SessionDesk } from "../../../src/admission/session-desk.js";
import type { ResumeOffer } from "../../../src/admission/session-offer.js";
import { ClusterSessions, SESSION_SCOPE } from "../../../src/cluster/cluster-sessions.js";
import { type Envelope, measure, readPacket, writePacket } from "../../../src/cluster/packet.js";
import { scopeOf } from "../../../src/cluster/subject.js";

const HERE = "00000000000a";
const THERE = "00000000000b";
const TOKEN = "a-_AAAAAAAAAAAAAAAAAAA";
const offer: ResumeOffer = { token: `${THERE}-${TOKEN}`, received: 3, lost: 1, dial: 2 };
const moved = { route: "/room/:name", decodedPath: "/room/r%C3%A4ume", protocol: "chat", offer };

/** A node whose envelopes the test carries. */
function stage(node: string) {
  const sent: Envelope[] = [];
  const told: unknown[] = [];
  const sessions = new ClusterSessions({
    node,
    send({ wire, payloadBytes }, address) {
      sent.push({ ...address, isBinary: false, payload: wire.subarray(wire.length - payloadBytes) });
      return 1;
    },
  });
  const deskOf = (route: string): SessionDesk => ({
    find: () => undefined,
    isFarewell: () => false,
    oldestAway: () => undefined,
    moved: (...facts) => void told.push([route, ...facts]),
  });
  return { sessions, sent, told, deskOf };
}

/** What `stage(HERE)` tells of a moved session. */
function notice(): Envelope {
  const { sessions, sent } = stage(HERE);
  sessions.tellMoved(moved);
  const [envelope] = sent;
  if (envelope === undefined) throw new Error("nothing was sent");
  return envelope;
}

describe("a token", () => {
  test("names its node, and is another node's only if it names another", () => {
    const { sessions } = stage(HERE);
    const own = sessions.tokenOf(TOKEN);
    expect(own).toBe(`${HERE}-${TOKEN}`);
    const all = [own, offer.token, TOKEN, `x-${TOKEN}`, `${THERE}${TOKEN}`, `${THERE.toUpperCase()}-${TOKEN}`];
    expect(all.map((token) => sessions.hasToken(token))).toEqual([false, true, false, false, false, false]);
  });
});

describe("a session that has moved", () => {
  test("is told to the node in its token, for the route, the path and the subprotocol", () => {
    const { sessions, told, deskOf } = stage(THERE);
    sessions.attach("/room/:name", deskOf("room"));
    sessions.attach("/other", deskOf("other"));
    sessions.attach("/none", undefined);
    const { target = "", payload } = notice();
    expect(target.split(".")[0]).toBe(THERE);
    expect(sessions.receive(target, payload)).toBe(true);
    expect(told).toEqual([["room", offer, "/room/r%C3%A4ume", "chat"]]);
  });

  test("is nobody's on a node without the route, or without sessions there", () => {
    const { sessions, told } = stage(THERE);
    sessions.attach("/room/:name", undefined);
    const { target = "", payload } = notice();
    expect([sessions.receive(target, payload), told]).toEqual([true, []]);
  });

  test.each<[what: string, target: string, payload: string]>([
    ["for another node", `${HERE}.moved`, JSON.stringify(["/a", "/a", "", `${THERE}-${TOKEN}.0.0.1`])],
    ["of another kind", `${THERE}.else`, JSON.stringify(["/a", "/a", "", `${THERE}-${TOKEN}.0.0.1`])],
    ["of another node's session", `${THERE}.moved`, JSON.stringify(["/a", "/a", "", `${HERE}-${TOKEN}.0.0.1`])],
    ["with a malformed offer", `${THERE}.moved`, JSON.stringify(["/a", "/a", "", `${THERE}-${TOKEN}.0.0`])],
    ["that is too short", `${THERE}.moved`, JSON.stringify(["/a", "/a", ""])],
    ["without texts", `${THERE}.moved`, JSON.stringify(["/a", 1, "", `${THERE}-${TOKEN}.0.0.1`])],
    ["without a list", `${THERE}.moved`, "{}"],
    ["that is no JSON", `${THERE}.moved`, "x"],
  ])("is not read from a notice %s", (_what, target, payload) => {
    const { sessions, told, deskOf } = stage(THERE);
    sessions.attach("/a", deskOf("a"));
    expect([sessions.receive(target, Buffer.from(payload)), told]).toEqual([false, []]);
  });

  test("travels in an envelope that a node without sessions reads and drops: of a scope that no route has", () => {
    const envelope = notice();
    const packet = writePacket({ node: HERE, stream: 1, first: 0 }, [measure(envelope)]);
    const read = readPacket(packet);
    expect("envelopes" in read && read.envelopes).toMatchObject([{ target: envelope.target, scope: SESSION_SCOPE }]);
    fc.assert(fc.property(fc.string(), (path) => scopeOf(path) !== SESSION_SCOPE));
    for (const path of [SESSION_SCOPE, "*", "/"]) expect(scopeOf(path)).not.toBe(SESSION_SCOPE);
  });
});
