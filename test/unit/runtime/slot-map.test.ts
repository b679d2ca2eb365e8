import fc from "fast-check";
import { expect, test } from "vitest";
import { SlotMap } from "../../../src/runtime/slot-map.js";

const commands = fc.array(
  fc.record({ verb: fc.constantFrom("set", "delete"), key: fc.integer({ min: 0, max: 7 }), value: fc.object() }),
);

test("a slot map does what a Map does", () => {
  fc.assert(
    fc.property(commands, (steps) => {
      const [model, map] = [new Map<number, object>(), new SlotMap<number, object>()];
      for (const { verb, key, value } of steps) {
        if (verb === "delete") expect(map.delete(key)).toBe(model.delete(key));
        else {
          map.set(key, value);
          model.set(key, value);
        }
        expect([map.has(key), map.get(key), map.size]).toEqual([model.has(key), model.get(key), model.size]);
        expect([...map.values()]).toEqual([...model.values()]);
      }
    }),
  );
});

test("the values of a slot map may be read while entries come and go", () => {
  const map = new SlotMap<string, { readonly name: string }>();
  for (const name of ["ann", "bob", "cy"]) map.set(name, { name });
  const read: string[] = [];
  for (const { name } of map.values()) {
    read.push(name);
    if (name !== "ann") continue;
    map.delete("bob");
    map.delete("ann");
    map.set("dan", { name: "dan" });
  }
  expect(read).toEqual(["ann", "cy", "dan"]);
});
