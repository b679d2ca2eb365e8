// The chat page: knows where one is and wants to be, and translates between the server's messages (chat-protocol.js) and the panels.
import { connect } from "/sendall/client.js";
import { chat } from "./chat-protocol.js";
import { complain, focusText, listen, putBack } from "./composer.js";
import { $ } from "./dom.js";
import { addMessage, addNotice, addPast, addWaiting, clearLog } from "./log.js";
import { remember, remembered, secret } from "./memory.js";
import { showChat, showEntrance, showRooms, showState } from "./panels.js";
import { showPeople } from "./people.js";
import { createTyping } from "./typing.js";

// Where a page cannot keep its secret, the server takes a page that comes back for somebody else, and the nickname for taken until the old
// connection has ended: the heartbeat finds it dead after up to 45 s, its session ends 60 s later, and the person leaves 5 s after that.
// A join without an answer waits as long: the session may go on, and then the answer comes.
const PATIENCE_MS = 115_000;
const ASK_AGAIN_MS = 2_000;

let rooms = [];
/** The key of this page's person, who may have other pages. */
let me;
/** Who is in the room, by key, in order of coming. */
let people = new Map();
/** How many people are in the room, if there are too many to list. */
let crowd;
/** The room one is in, as far as this page knows: { nick, room, position } with the last message's position. It outlives a lost connection. */
let here;
/** What was said before in the room that one is entering, until the server says that this is all. */
let past;
/** Whether the server has confirmed `here` in the present session, which outlives a lost connection, too. */
let seated = false;
let isOnline = false;
/** The join under way: { nick, room, automatic, since, isLost }. */
let asked;
let askAgain;
/** What was said `here` without a seat: { text, remove }. The server has no place for it before the seat is back. */
const waiting = [];
let unread = 0;

const client = connect(`chat?who=${secret()}`, {
  protocol: chat,
  onOpen({ resumed }) {
    isOnline = true;
    if (resumed) return goOn();
    seated = false;
    const wanted = asked ?? here;
    if (wanted) ask(wanted.nick, wanted.room, true);
  },
  on: {
    rooms(list) {
      rooms = list;
      showRooms(rooms, here?.room, pick);
    },
    // All that comes before the answer to a join: what was said, and who is there. The notices below tell what changes from then on.
    entered() {
      past = [];
    },
    people(list) {
      me = list.you;
      people = new Map(list.people.map((person) => [person.key, person]));
      crowd = list.count > people.size ? list.count : undefined;
      showAll();
    },
    joined({ at, ...person }) {
      people.set(person.key, person);
      showAll();
      if (seated && !past) addNotice(`${person.nick} joined`, at);
    },
    changed(person) {
      people.set(person.key, person);
      // Another tab may have chosen another name.
      if (person.key === me && here) here.nick = person.nick;
      showAll();
    },
    left({ key, nick, at }) {
      people.delete(key);
      showAll();
      if (seated && !past) addNotice(`${nick} left`, at);
    },
    count(count) {
      crowd = count;
      showAll();
    },
    said(message) {
      if (past) past.push(message);
      else if (seated) hear(message);
    },
  },
  onError({ code, reason, issues, message }) {
    // The server has refused what was said.
    if (code !== "MESSAGE_REFUSED") return;
    const noRoom = reason === "NO_ROOM" && "Join a room before you say something.";
    complain(noRoom || (issues?.[0]?.message ?? message));
  },
  onClose() {
    if (seated && isOnline) addNotice("The connection is lost");
    isOnline = false;
    typing.forget();
  },
  reconnect: { maxMs: 5_000 },
  // All that is sent belongs to a seat, and each session begins with asking for one.
  offline: { maxMessages: 0 },
});
const typing = createTyping((isTyping) => seated && isOnline && client.send("typing", isTyping));
listen(say, typing.set);
client.subscribe(showState);
showState(client.status);

function ask(nick, room, automatic) {
  clearTimeout(askAgain);
  const since = (automatic && asked?.since) || Date.now();
  const join = { nick, room, automatic, since, isLost: false };
  asked = join;
  const after = room === here?.room ? here.position : undefined;
  client.call("join", { nick, room, after }, { timeoutMs: PATIENCE_MS }).then(
    // Without a wish somebody has left meanwhile.
    (answer) => asked && welcome(join, answer),
    (error) => asked === join && refused(join, error),
  );
}

/** The session goes on: the server has heard what was sent, the seat is still there, and what was missed follows. */
function goOn() {
  if (asked) {
    if (asked.isLost) ask(asked.nick, asked.room, asked.automatic);
  } else if (here) {
    addNotice("You are back");
    sayWaiting();
  } else {
    // The seat may have been left without a line.
    client.send("leave");
  }
}

function say(line) {
  // The server knows that who has said something is not writing any more.
  typing.forget();
  try {
    if (!seated || !client.send("say", { text: line })) waiting.push({ text: line, remove: addWaiting(line) });
  } catch (error) {
    // The protocol has refused the line, before it could leave.
    putBack([line]);
    complain(error.issues[0].message);
  }
}

function sayWaiting() {
  for (const { text, remove } of waiting.splice(0)) {
    remove();
    say(text);
  }
}

/** What waits was meant for another room: its author has it again. */
function takeBack() {
  putBack(waiting.splice(0).map((entry) => entry.text));
}

function showAll() {
  showPeople([...people.values()], me, crowd);
}

function welcome(join, { nick, room, isComplete, position }) {
  const isBack = here?.room === room;
  if (asked === join) asked = undefined;
  here = { nick, room, position };
  seated = true;
  typing.forget();
  remember({ nick, room, joined: true });
  window.history.replaceState(null, "", `?room=${encodeURIComponent(room)}`);
  showChat(room);
  if (!isBack) {
    clearLog();
    takeBack();
  } else if (!isComplete) {
    addNotice("Messages may be missing here");
  }
  complain("");
  showRooms(rooms, room, pick);
  addPast(past.map(withOwn));
  if (document.hidden) unread += past.length;
  addNotice(isBack ? "You are back" : greeting(room, (crowd ?? people.size) - 1, past.length > 0));
  past = undefined;
  showTitle();
  sayWaiting();
  if (!isBack) focusText();
}

function hear(message) {
  here.position = message.position ?? here.position;
  addMessage(withOwn(message));
  if (document.hidden) unread++;
  showTitle();
}

function withOwn(message) {
  return { ...message, own: message.key === me };
}

function refused(join, { code, reason, message, issues }) {
  if (code === "CONNECTION_LOST" && isOnline) return ask(join.nick, join.room, join.automatic);
  if (code === "TOO_MANY_CALLS" || code === "CONNECTION_LOST" || code === "CLOSED") {
    // There is no line. The next one begins with asking again.
    join.isLost = true;
    return;
  }
  asked = undefined;
  const taken = reason === "NICK_TAKEN" && `Somebody in ${join.room} is called ${join.nick} already.`;
  const text = taken || (issues?.[0]?.message ?? message);
  if (join.automatic && taken && Date.now() - join.since < PATIENCE_MS) {
    asked = join;
    askAgain = setTimeout(ask, ASK_AGAIN_MS, join.nick, join.room, true);
    const notice = `${text} If that was you a moment ago, wait: this page keeps trying.`;
    if (here) complain(notice);
    else $("join-error").textContent = notice;
  } else if (seated) {
    addNotice(text);
  } else {
    here = undefined;
    showEntrance(text);
    $(issues?.[0]?.path === "room" ? "room" : "nick").focus();
  }
}

function greeting(room, others, hasPast) {
  const alone = hasPast ? `You are alone in #${room}` : `You opened #${room}`;
  if (others === 0) return `${alone}. Send a friend this page's address`;
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
  client.send("leave");
  clearTimeout(askAgain);
  asked = undefined;
  remember({ nick: here.nick, room: here.room, joined: false });
  here = undefined;
  seated = false;
  showEntrance();
  showRooms(rooms, undefined, pick);
  $("room").focus();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  showTitle();
});

/** People type the # that the page shows before a room's name. */
function withoutHash(room) {
  return room.trim().replace(/^#+/, "");
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
