/** The navigation (docs/.vitepress/navigation.ts) has every page exactly once, and nothing else. */
import { describe, expect, test } from "vitest";
import { type Entry, type Group, navigation } from "../../docs/.vitepress/navigation.js";
import { allPages } from "./all-pages.js";

function entriesOf(item: Entry | Group): readonly Entry[] {
  return "items" in item ? item.items.flatMap(entriesOf) : [item];
}

const entries = navigation.flatMap(entriesOf);

describe("the navigation of the site", () => {
  test("has every page but the home page exactly once", () => {
    const pages = allPages().filter((path) => path !== "index");
    expect(entries.map(({ link }) => link.replace(/^\//, "").replace(/\/$/, "/index")).sort()).toEqual(pages);
  });

  test("calls no two pages the same within a group", () => {
    const groups = navigation.flatMap((group) => [group, ...group.items.filter((item) => "items" in item)]);
    const names = groups.flatMap(({ text, items }) => items.map((item) => `${text} › ${item.text}`));
    expect(names).toEqual([...new Set(names)]);
  });
});
