// The chat page: knows where one is and wants to be, and translates between the server's messages and the panels.
import { connect } from "/sendall/client.js";
import { $ } from "./dom.js";
import { addMessage, addNotice, addWaiting, clearLog } from "./log.js";
import { showChat, showEntrance, showPeople, showRooms, showState } from "./panels.js";

// A lost connection may keep its nickname on the server until the heartbeat finds it dead, which takes up to 45 s.
const PATIENCE_MS = 50_000;
const ASK_AGAIN_MS = 2_000;

let rooms = [];
let people = [];
/** The room one is in, as far as this page knows: { nick, room }. It outlives a lost connection. */
let here;
/** Whether the server has confirmed `here` on this very connection. */
let seated = false;
/** The join under way: { nick, room, automatic, since }. */
let asked;
let askAgain;
/** What was said `here` without a seat: { text, remove }. The server has no place for it before the seat is back. */
const waiting = [];
let unread = 0;

const client = connect("chat", {
  onOpen() {
    const wanted = asked ?? here;
    if (wanted) ask(wanted.nick, wanted.room, true);
  },
  onMessage(json) {
    const message = JSON.parse(json);
    receive[message.type]?.(message);
  },
  onClose() {
    if (seated) addNotice("The connection is lost");
    seated = false;
  },
  reconnect: { maxMs: 5_000 },
  // All that is sent belongs to a seat, and each connection begins with asking for one.
  offline: { maxMessages: 0 },
});
client.subscribe(showState);
showState(client.status);

function send(message) {
  return client.send(JSON.stringify(message));
}

function ask(nick, room, automatic) {
  clearTimeout(askAgain);
  asked = { nick, room, automatic, since: (automatic && asked?.since) || Date.now() };
  send({ type: "join", nick, room });
}

function say(text) {
  if (!seated || !send({ type: "say", text })) waiting.push({ text, remove: addWaiting(text) });
}

/** What waits was meant for another room: its author has it again. */
function takeBack() {
  text.value = [...waiting.splice(0).map((entry) => entry.text), text.value].filter(Boolean).join("\n");
  onText();
}

const receive = {
  rooms(message) {
    rooms = message.rooms;
    showRooms(rooms, here?.room, pick);
  },
  welcome({ nick, room, members }) {
    const isBack = here?.room === room && here.nick === nick;
    asked = undefined;
    here = { nick, room };
    seated = true;
    people = members;
    remember({ nick, room, joined: true });
    window.history.replaceState(null, "", `?room=${encodeURIComponent(room)}`);
    showChat(room);
    if (!isBack) {
      clearLog();
      takeBack();
    }
    $("say-error").textContent = "";
    showRooms(rooms, room, pick);
    showPeople(people, nick);
    showTitle();
    addNotice(isBack ? "You are back" : greeting(room, members.length - 1));
    for (const { text, remove } of waiting.splice(0)) {
      remove();
      say(text);
    }
    if (!isBack) $("text").focus();
  },
  joined({ nick, at }) {
    if (!seated) return;
    people = [...people, nick];
    showPeople(people, here.nick);
    addNotice(`${nick} joined`, at);
  },
  left({ nick, at }) {
    if (!seated) return;
    people = people.filter((other) => other !== nick);
    showPeople(people, here.nick);
    addNotice(`${nick} left`, at);
  },
  said({ nick, text, at }) {
    if (!seated) return;
    addMessage({ nick, text, at, own: nick === here.nick });
    if (document.hidden) unread++;
    showTitle();
  },
  error({ code, text }) {
    const refused = asked;
    asked = undefined;
    if (!refused) {
      $("say-error").textContent = text;
    } else if (refused.automatic && code === "nick-taken" && Date.now() - refused.since < PATIENCE_MS) {
      asked = refused;
      askAgain = setTimeout(ask, ASK_AGAIN_MS, refused.nick, refused.room, true);
      const notice = `${text} If that was you a moment ago, wait: this page keeps trying.`;
      $(here ? "say-error" : "join-error").textContent = notice;
    } else if (seated) {
      addNotice(text);
    } else {
      here = undefined;
      showEntrance(text);
      $(code === "bad-room" ? "room" : "nick").focus();
    }
  },
};

function greeting(room, others) {
  if (others === 0) return `You opened #${room}. Send a friend this page's address`;
  return `You joined #${room} with ${others === 1 ? "one other person" : `${others} others`}`;
}

function showTitle() {
  if (here) document.title = `${unread > 0 ? `(${unread}) ` : ""}#${here.room} · Sendall chat`;
}

/** A click on a room: from the chat it goes there at once, at the entrance a nickname comes first. */
function pick(room) {
  if (here) {
    if (room !== here.room) ask(here.nick, room, false);
    return;
  }
  $("room").value = room;
  if ($("nick").value === "") $("nick").focus();
  else $("join").requestSubmit();
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  $("join-error").textContent =
    client.state === "open" ? "" : "There is no connection yet. You will join as soon as there is one.";
  ask($("nick").value, withoutHash($("room").value), false);
});

$("other-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.room;
  if (here) ask(here.nick, withoutHash(field.value), false);
  field.value = "";
});

$("leave").addEventListener("click", () => {
  send({ type: "leave" });
  clearTimeout(askAgain);
  asked = undefined;
  remember({ ...here, joined: false });
  here = undefined;
  seated = false;
  showEntrance();
  showRooms(rooms, undefined, pick);
  $("room").focus();
});

const text = $("text");

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (text.value.trim() === "") return;
  say(text.value.trim());
  text.value = "";
  onText();
});

text.addEventListener("input", onText);
text.addEventListener("keydown", (event) => {
  // Enter that ends the composition of a Japanese word, say, is not meant for us.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say").requestSubmit();
});

function onText() {
  $("say-error").textContent = "";
  const left = text.maxLength - text.value.length;
  $("room-left").textContent = left <= 100 ? String(left) : "";
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  showTitle();
});

/** People type the # that the page shows before a room's name. */
function withoutHash(room) {
  return room.trim().replace(/^#+/, "");
}

/** Storage may be switched off; then the page forgets, and all else works. */
function remember(who) {
  try {
    sessionStorage.setItem("chat", JSON.stringify(who));
  } catch {}
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem("chat")) ?? {};
  } catch {
    return {};
  }
}

function start() {
  const query = new URLSearchParams(window.location.search);
  const known = remembered();
  $("nick").value = query.get("nick") ?? known.nick ?? "";
  $("room").value = query.get("room") ?? known.room ?? "lobby";
  // A reload goes back to where one was; an address that names another room or person asks first.
  const isReload = $("nick").value === known.nick && $("room").value === known.room;
  if (known.joined && isReload) ask(known.nick, known.room, true);
  else $(($("nick").value === "" && "nick") || "room").focus();
}

start();
