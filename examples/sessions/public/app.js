// The page of the sessions: two clients on one cable, and past the cable the desk, which says what the server says and tells what it hears.
import { connect } from "/sendall/client.js";
import { openCable } from "./cable.js";
import { $, STATES, showState } from "./page.js";
import { Side } from "./side.js";

const TICK_MS = 500;

let desk;
let sides = {};

const cable = openCable($("pull"), ({ state, isPlugged }) => {
  if (state !== "open") showState(...STATES[state]);
  else if (isPlugged) showState("online", "The cable is plugged in");
  else showState("offline", "The cable is pulled");
});

const watch = connect("watch", {
  onMessage(json) {
    const told = JSON.parse(json);
    if (told.desk === undefined) sides[told.side].learn(told);
    else begin(told.desk);
  },
  // The desk has ended with the connection, and another server would not know the desk.
  onClose: end,
});

function end() {
  for (const side of Object.values(sides)) side.end();
  sides = {};
}

/** Each desk counts from 1. */
function begin(name) {
  desk = name;
  sides = {
    session: new Side("session", "With a session", "connect(url), resume: true", () =>
      cable.address(`session/${desk}`),
    ),
    plain: new Side("plain", "Plain", "connect(url, { session: false })", () => cable.address(`plain/${desk}`)),
  };
}

setInterval(() => {
  for (const side of Object.values(sides)) side.say();
}, TICK_MS);

function onSubmit(id, say) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const field = event.target.elements.text;
    if (field.value.trim() !== "") say(field.value.trim());
    field.value = "";
    field.focus();
  });
}

onSubmit("page-says", (text) => {
  for (const side of Object.values(sides)) side.say(text);
});
onSubmit("server-says", (text) => watch.send(text));
