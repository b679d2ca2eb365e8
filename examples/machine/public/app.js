// The page of the lobby: shows the machine's state as the server tells it, and taps.
import { connect } from "/sendall/client.js";
import { $, element, follow } from "./page.js";

let client;
let self;

function receive(json) {
  const message = JSON.parse(json);
  if (message.type === "you") self = message.id;
  if (message.type === "lobby") show(message);
}

function show({ phase, left, needed, people }) {
  const me = people.find(({ id }) => id === self);
  $("phase").textContent = {
    waiting: () => `Waiting for ${needed - people.length} more`,
    countdown: () => `The round starts in ${left}`,
    round: () => (me?.plays ? mine(me) : "You play the next round"),
    results: () => (people.some(({ place }) => place === 1) ? `${winner(people).name} wins` : "Nobody tapped"),
  }[phase]();
  $("tap").disabled = !(phase === "round" && me?.plays && me.place === null);
  $("people").replaceChildren(...people.map((person) => element("li", {}, describe(person))));
}

function mine({ place }) {
  return place === null ? "Tap!" : `You came in at number ${place}`;
}

function winner(people) {
  return people.find(({ place }) => place === 1);
}

function describe({ id, name, place }) {
  return `${place === null ? "" : `${place}. `}${name}${id === self ? " (you)" : ""}`;
}

$("tap").addEventListener("click", () => client.send("tap"));

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  setIn(true);
  client = connect(`?${new URLSearchParams({ name: $("name").value })}`, { onMessage: receive });
  follow(client, ({ state }) => {
    if (state === "open") return;
    $("tap").disabled = true;
    $("phase").textContent = "";
  });
});

$("leave").addEventListener("click", () => {
  setIn(false);
  client.close();
  $("name").focus();
});

function setIn(isIn) {
  $("enter").hidden = isIn;
  $("lobby").hidden = !isIn;
}
