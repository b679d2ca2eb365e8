// Everything around the messages: the entrance, the rooms, the connection's state and the drawer of the phone.
import { $, element } from "./dom.js";

export function showEntrance(error = "") {
  $("chat").hidden = true;
  $("entrance").hidden = false;
  $("join-error").textContent = error;
  document.title = "Sendall chat";
}

export function showChat(room) {
  $("entrance").hidden = true;
  $("chat").hidden = false;
  $("join-error").textContent = "";
  $("here").textContent = `#${room}`;
  closeSide();
}

/** The server lists the fullest rooms only, so the own one is added if it is not among them. */
export function showRooms(rooms, here, onPick) {
  $("open-rooms").replaceChildren(...rooms.map((room) => element("li", {}, roomButton(room, "chip", onPick))));
  $("no-rooms").hidden = rooms.length > 0;
  const known = here === undefined || rooms.some((room) => room.name === here);
  const shown = known ? rooms : [{ name: here, count: 1 }, ...rooms];
  const items = shown.map((room) => {
    const button = roomButton(room, "room", onPick);
    if (room.name === here) button.setAttribute("aria-current", "true");
    return element("li", {}, button);
  });
  $("rooms").replaceChildren(...items);
}

function roomButton({ name, count }, kind, onPick) {
  const people = `${count} ${count === 1 ? "person" : "people"}`;
  const counted = element("span", { class: "count", title: people, "aria-label": people }, String(count));
  const button = element("button", { type: "button", class: kind, "data-room": name });
  button.append(element("span", { class: "name" }, `#${name}`), counted);
  button.addEventListener("click", () => onPick(name));
  return button;
}

let countdown;
let wasOnline = false;

/** The pill counts down for the eye; a screen reader is told only of a loss and of the return. */
export function showState({ state, retryAt }) {
  clearInterval(countdown);
  const pills = document.querySelectorAll(".state");
  const write = (text) => {
    for (const pill of pills) {
      pill.dataset.state = state;
      pill.textContent = text;
    }
  };
  if (state === "open") {
    if (wasOnline) $("announce").textContent = "Online again.";
    wasOnline = true;
    write("Online");
  } else if (state === "connecting") {
    write(wasOnline ? "Reconnecting…" : "Connecting…");
  } else if (state === "waiting") {
    $("announce").textContent = "The connection is lost. Trying again.";
    const tick = () => write(`Reconnecting in ${Math.max(1, Math.ceil((retryAt - Date.now()) / 1000))} s`);
    countdown = setInterval(tick, 250);
    tick();
  } else {
    $("announce").textContent = "The connection has ended.";
    write("Ended. Reload this page to come back");
  }
}

const narrow = window.matchMedia("(max-width: 760px)");

function openSide() {
  setSide(true);
  $("close-side").focus();
}

function closeSide() {
  const hadFocus = $("side").contains(document.activeElement);
  setSide(false);
  if (narrow.matches && hadFocus) $("open-side").focus();
}

/** Out of sight means out of the tab order as well, but only where the side is a drawer. */
function setSide(open) {
  $("chat").classList.toggle("side-open", open);
  $("open-side").setAttribute("aria-expanded", String(open));
  $("side").inert = narrow.matches && !open;
}

$("open-side").addEventListener("click", openSide);
$("close-side").addEventListener("click", closeSide);
$("veil").addEventListener("click", closeSide);
narrow.addEventListener("change", () => setSide(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && $("chat").classList.contains("side-open")) closeSide();
});
setSide(false);
