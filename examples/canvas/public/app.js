// The page of the canvas: translates between the wire (see canvas.js beside the server), the sheet and the list of people.
import { connect } from "/sendall/client.js";
import { $, element, follow } from "./page.js";
import { draw, watchPointers, wipe } from "./sheet.js";

const POINTER_REST_MS = 3_000;

let client;
let self;
/** Everybody else by id: { name, pointer, timer }. */
const others = new Map();

const words = {
  // The first word after each connecting: what was there before belongs to a life that is over.
  ID(id) {
    forgetAll();
    wipe();
    self = id;
    showPeople();
  },
  PT: (ids) => ids.split(",").forEach(meet),
  NC: meet,
  NM(id, name) {
    const other = others.get(id);
    if (other) other.name = name;
    showPeople();
  },
  MV: (id, x, y) => point(id, Number(x), Number(y)),
  CU: wipe,
  CL(id) {
    others.get(id)?.pointer.remove();
    others.delete(id);
    showPeople();
  },
};

function receive(message) {
  if (!message.startsWith("@")) return draw(message);
  const said = message.slice("@NM:".length);
  const word = words[message.slice(1, 3)];
  if (word === words.MV) word(...said.split(","));
  else if (word === words.NM) word(said.slice(0, said.indexOf(",")), said.slice(said.indexOf(",") + 1));
  else word?.(said);
}

function meet(id) {
  if (id === "") return;
  const pointer = element("span", { class: "pointer", hidden: "", "data-testid": "pointer" });
  $("pointers").append(pointer);
  others.set(id, { name: "", pointer });
  showPeople();
}

function forgetAll() {
  others.clear();
  $("pointers").replaceChildren();
  self = undefined;
  showPeople();
}

function nameOf(id, name) {
  return name || `Guest ${id.slice(-4)}`;
}

function showPeople() {
  const mine = self === undefined ? [] : [`${nameOf(self, $("name").value.trim())} (you)`];
  const names = [...mine, ...[...others].map(([id, { name }]) => nameOf(id, name))];
  $("people").replaceChildren(...names.map((name) => element("li", {}, name)));
}

/** Somebody's pointer, until it has rested for a while. */
function point(id, x, y) {
  const other = others.get(id);
  if (!other) return;
  const { pointer, name } = other;
  pointer.textContent = nameOf(id, name);
  pointer.style.left = `${(x / $("canvas").width) * 100}%`;
  pointer.style.top = `${(y / $("canvas").height) * 100}%`;
  pointer.hidden = false;
  clearTimeout(other.timer);
  other.timer = setTimeout(() => {
    pointer.hidden = true;
  }, POINTER_REST_MS);
}

function sayName() {
  const name = $("name").value.trim();
  if (name !== "") client.send(`@NM:${name}`);
}

function join() {
  client = connect("./", {
    onOpen: sayName,
    onMessage: receive,
    onClose: forgetAll,
    // Where a pointer was while there was no connection is of no use later.
    offline: { maxMessages: 0 },
  });
  follow(client, ({ state }) => {
    $("leave").textContent = state === "closed" ? "Join" : "Leave";
    $("leave").disabled = state === "closing";
  });
}

watchPointers({
  brush: () => ({ c: $("colour").value, w: Number($("width").value) }),
  canDraw: () => client.state === "open",
  onStroke: (stroke) => client.send(stroke),
  onMove: (x, y) => client.send(`@MV:${x},${y}`),
});

$("name").addEventListener("change", () => {
  client.send(`@NM:${$("name").value.trim()}`);
  showPeople();
});

$("tools").addEventListener("submit", (event) => event.preventDefault());

$("clear").addEventListener("click", () => {
  wipe();
  client.send("@CU");
});

$("leave").addEventListener("click", () => (client.state === "closed" ? join() : client.close()));

join();
