// The list of people, and who is writing. A person's row stays the same element for as long as the person stays.
import { $, avatar, element } from "./dom.js";

/** The rows by the keys of their people. */
const rows = new Map();

/** `crowd` says how many people there are, if there are too many to list. */
export function showPeople(people, me, crowd) {
  const listed = crowd === undefined ? people : [];
  const keys = new Set(listed.map(({ key }) => key));
  for (const [key, row] of rows) if (!keys.has(key)) row.item.remove();
  for (const key of rows.keys()) if (!keys.has(key)) rows.delete(key);
  const list = $("people");
  listed.forEach((person, i) => {
    const row = rows.get(person.key) ?? createRow();
    rows.set(person.key, row);
    row.show(person, person.key === me);
    if (list.children[i] !== row.item) list.insertBefore(row.item, list.children[i] ?? null);
  });
  const count = crowd ?? people.length;
  $("too-many").hidden = crowd === undefined;
  $("here-count").textContent = count === 1 ? "Only you are here" : `${count} people here`;
  showTyping(listed.filter(({ key, isTyping }) => isTyping && key !== me));
}

function createRow() {
  const item = element("li", { class: "person" });
  let shown;
  const show = ({ nick, isTyping, isAway }, isMe) => {
    const marks = [isMe && "you", isAway && "away", isTyping && !isMe && "typing…"].filter(Boolean);
    const next = [nick, ...marks].join("\n");
    if (next === shown) return;
    shown = next;
    item.replaceChildren(avatar(nick), element("span", { class: "name" }, nick));
    for (const mark of marks) item.append(element("span", { class: "quiet" }, mark));
    item.classList.toggle("away", isAway);
  };
  return { item, show };
}

function showTyping(people) {
  const [first, second] = people.map(({ nick }) => element("bdi", {}, nick));
  const isAre = people.length === 1 ? " is typing…" : " are typing…";
  const names = { 0: [], 1: [first], 2: [first, " and ", second] }[people.length] ?? [`${people.length} people`];
  $("typing").replaceChildren(...names, people.length > 0 ? isAre : "");
}
