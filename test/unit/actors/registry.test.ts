/** The registry against plain sets. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Registry } from "../../../src/actors/route/registry.js";

interface Member {
  readonly id: string;
  readonly rooms: Set<string>;
}

const MEMBERS = 6;
const ROOMS = ["red", "green", "blue"];

const step = fc.record({
  do: fc.constantFrom("add", "remove", "join", "leave"),
  who: fc.nat({ max: MEMBERS - 1 }),
  room: fc.constantFrom(...ROOMS),
});

function ids(members: Iterable<Member>): string[] {
  return Array.from(members, ({ id }) => id);
}

/** Plain lists, and a registry that is told the same. */
class Pair {
  readonly registry = new Registry<Member>();
  readonly everybody: readonly Member[] = Array.from({ length: MEMBERS }, (_, i) => ({
    id: `c${i}`,
    rooms: new Set(),
  }));
  readonly rooms = new Map<string, Member[]>();
  present: Member[] = [];

  do(what: string, member: Member, room: string): void {
    const isPresent = this.present.includes(member);
    if (what === "add" && !isPresent) {
      this.registry.add(member);
      this.present.push(member);
    } else if (what === "remove" && isPresent) {
      this.registry.remove(member, member.rooms);
      this.present = this.present.filter((other) => other !== member);
      for (const one of member.rooms) this.#leave(member, one);
    } else if (what === "join" && isPresent && !member.rooms.has(room)) {
      this.registry.join(member, room);
      member.rooms.add(room);
      this.rooms.set(room, [...(this.rooms.get(room) ?? []), member]);
    } else if (what === "leave" && isPresent) {
      this.registry.leave(member, room);
      this.#leave(member, room);
    }
  }

  #leave(member: Member, room: string): void {
    member.rooms.delete(room);
    const left = (this.rooms.get(room) ?? []).filter((other) => other !== member);
    if (left.length > 0) this.rooms.set(room, left);
    else this.rooms.delete(room);
  }
}

describe("the registry", () => {
  test("knows who is there and in which rooms, in the order of coming", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const pair = new Pair();
        const { registry, everybody, rooms } = pair;
        for (const { do: what, who, room } of steps) {
          const member = everybody[who];
          if (member !== undefined) pair.do(what, member, room);
          const { present } = pair;
          expect([ids(registry.all()), registry.size]).toEqual([ids(present), present.length]);
          expect([registry.rooms(), registry.roomCount]).toEqual([[...rooms.keys()], rooms.size]);
          for (const one of ROOMS) expect(ids(registry.members(one))).toEqual(ids(rooms.get(one) ?? []));
          for (const one of everybody) expect(registry.find(one.id)).toBe(present.includes(one) ? one : undefined);
        }
      }),
    );
  });

  test("names the members of several rooms once each", () => {
    const registry = new Registry<Member>();
    const [a, b, c] = ["a", "b", "c"].map((id) => ({ id, rooms: new Set<string>() })) as [Member, Member, Member];
    for (const member of [a, b, c]) registry.add(member);
    registry.join(a, "red");
    registry.join(b, "red");
    registry.join(b, "blue");
    registry.join(c, "blue");
    expect(ids(registry.membersOfAny(["red", "blue"]))).toEqual(["a", "b", "c"]);
    expect(ids(registry.membersOfAny(["red", "red"]))).toEqual(["a", "b"]);
    expect(ids(registry.membersOfAny(["blue"]))).toEqual(["b", "c"]);
    expect(ids(registry.membersOfAny(["none"]))).toEqual([]);
    expect(ids(registry.membersOfAny([]))).toEqual([]);
  });
});
