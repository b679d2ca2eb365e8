/** Subjects: only characters that every engine takes, not too long, and different for different names. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PREFIX, scopeOf, subjectOf, subjectOfNode } from "../../../src/cluster/subject.js";

const names = fc.oneof(fc.string({ unit: "binary", minLength: 1 }), fc.stringMatching(/^[.*>/ a-c%@#]+$/), fc.string());

test("a subject holds only what the contract of adapters allows", () => {
  fc.assert(
    fc.property(names, names, (path, room) => {
      fc.pre(path !== "" && room !== "");
      for (const subject of [subjectOf(scopeOf(path), room), subjectOf(scopeOf(room, scopeOf(path)), undefined)]) {
        expect(subject).toMatch(/^[A-Za-z0-9%@#_-]+(\.[A-Za-z0-9%@#_-]+)+$/);
        expect(subject.length).toBeLessThanOrEqual(1_024);
      }
    }),
  );
});

test("different rooms have different subjects, also when their names are long or half a character", () => {
  const rooms = [
    "a",
    "A",
    "a.b",
    "a b",
    "a%20b",
    "é",
    "\ud800",
    "\ud801",
    "\ufffd",
    "x".repeat(5_000),
    "x".repeat(5_001),
  ];
  const scope = scopeOf("/chat");
  expect(new Set(rooms.map((room) => subjectOf(scope, room))).size).toBe(rooms.length);
});

test("a room, a channel of that name and a route of that name are told apart", () => {
  const route = scopeOf("/chat");
  const subjects = [
    subjectOf(route, undefined),
    subjectOf(route, "ann"),
    subjectOf(scopeOf("ann", route), undefined),
    subjectOf(scopeOf("ann", route), "ann"),
    subjectOf(scopeOf("ann"), undefined),
    subjectOfNode("ann"),
  ];
  expect(new Set(subjects).size).toBe(subjects.length);
});

test("a prefix cannot reach into the subjects of another one", () => {
  for (const good of ["sendall", "app.prod", "a-b_c.1"]) expect(good).toMatch(PREFIX);
  for (const bad of ["", ".", "a.", ".a", "a..b", "a.@all", "a b", "*", ">", "a.>", "é"])
    expect(bad).not.toMatch(PREFIX);
});
