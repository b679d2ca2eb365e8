// The page: who is in the room on either node, and what was said there. The server (../server.js) bundles it.
import { useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { useClient, useClientState, useMessages } from "sendall/react";
import { Chat } from "./chat.jsx";
import { followSaid, positionOf, recallSaid, rememberSaid } from "./said.js";

const STATES = { here: "Here", away: "Away", busy: "Busy" };
const LINES = {
  connecting: ["connecting", "Connecting…"],
  open: ["online", "Connected"],
  waiting: ["connecting", "Connection lost. Trying again…"],
  closing: ["offline", "Closing…"],
  closed: ["offline", "Not connected"],
};

/** What the server sends changes what is known of the people, or of what was said. */
function follow({ people, said }, json) {
  const news = JSON.parse(json);
  return { people: followPeople(people, news), said: followSaid(said, news) };
}

/** The list replaces what was known, and notices change it. */
function followPeople(known, news) {
  if (news.type === "list") return news;
  if (!["joined", "changed", "left", "count"].includes(news.type)) return known;
  // Too many people to list.
  if (news.type === "count") return { ...known, people: [], count: news.count };
  const { key } = news;
  const index = known.people.findIndex((person) => person.key === key);
  if (news.type === "left") return { ...known, people: known.people.filter((person) => person.key !== key) };
  if (index < 0) return { ...known, people: [...known.people, news] };
  return { ...known, people: known.people.with(index, news) };
}

function Page({ who, room }) {
  const [me, setMe] = useState(remembered);
  // Without a line nothing waits: what could not be sent is shown as not sent.
  const client = useClient(`./?${new URLSearchParams({ who, room })}`, { offline: { maxMessages: 0 } });
  const { state } = useClientState(client);
  const { people, said } = useMessages(client, follow, start);
  const position = useRef();
  position.current = positionOf(said);
  useEffect(() => {
    remember(me);
    if (state === "open") client.send(JSON.stringify({ ...me, after: position.current }));
  }, [client, state, me]);
  useEffect(() => rememberSaid(room, said), [room, said]);
  const [kind, text] = LINES[state];
  return (
    <>
      <header>
        <h1>A room on two nodes</h1>
        <p className="state" role="status" data-testid="state" data-state={kind}>
          {text}
        </p>
      </header>
      <main>
        <You me={me} setMe={setMe} known={people} who={who} />
        <Chat client={client} said={said} me={people.you} />
        <People known={people} room={room} />
      </main>
    </>
  );
}

function You({ me, setMe, known: { node, other }, who }) {
  const [name, setName] = useState(me.name);
  const submit = (event) => {
    event.preventDefault();
    if (name.trim() !== "") setMe({ ...me, name: name.trim() });
  };
  return (
    <section className="card" aria-labelledby="you-title">
      <h2 id="you-title" data-testid="node">
        {node === undefined ? "You" : `You are on the node "${node}"`}
      </h2>
      <form className="row" onSubmit={submit} autoComplete="off">
        <label className="field">
          Your name
          <input value={name} maxLength={24} required onChange={({ target }) => setName(target.value)} />
        </label>
        <button type="submit" disabled={name.trim() === me.name}>
          Change
        </button>
      </form>
      <fieldset className="states">
        <legend className="quiet">What you show</legend>
        {Object.entries(STATES).map(([state, text]) => (
          <label key={state}>
            <input type="radio" name="state" checked={me.state === state} onChange={() => setMe({ ...me, state })} />
            <span className="dot" data-shows={state} />
            {text}
          </label>
        ))}
      </fieldset>
      {other && <Other {...other} who={who} myName={me.name} />}
    </section>
  );
}

/** A page of another port has a storage of its own, and so is another person's, unless it is told who opens it. */
function Other({ name, port, who, myName }) {
  const address = new URL(window.location.href);
  address.port = port;
  address.hash = "";
  const asMe = new URL(address);
  asMe.hash = new URLSearchParams({ who, name: myName });
  return (
    <p data-testid="other">
      Open the page of the node "{name}" beside this one:{" "}
      <a href={address.href} target="_blank" rel="noopener">
        as somebody else
      </a>{" "}
      or{" "}
      <a href={asMe.href} target="_blank" rel="noopener">
        as yourself
      </a>
      , who is still one person.
    </p>
  );
}

function People({ known: { people, count = people.length, you, node }, room }) {
  return (
    <section className="card" aria-labelledby="people-title">
      <h2 id="people-title" data-testid="count">
        {count === 1 ? "1 person" : `${count} people`} in #{room}
      </h2>
      {count > people.length && <p className="quiet">Too many people to list.</p>}
      <ul className="people" data-testid="people">
        {people.map(({ key, info }) => (
          <Person key={key} info={info} isMe={key === you} here={node} />
        ))}
      </ul>
      <p className="quiet">Whoever closes the page is listed for 5 seconds more, and so a reload is no news.</p>
    </section>
  );
}

/** What others show comes from any node, and is text, whatever it is. */
function Person({ info, isMe, here }) {
  const { name, state, node } = Object(info);
  const shows = Object.hasOwn(STATES, String(state)) ? state : "here";
  return (
    <li className="person">
      <span className="dot" data-shows={shows} />
      <bdi className="name">{String(name ?? "?")}</bdi>
      {isMe && <span className="quiet">you</span>}
      <span className="quiet shows">{STATES[shows]}</span>
      <span className={node === here ? "node" : "node far"}>{String(node ?? "?")}</span>
    </li>
  );
}

/** Storage may be switched off; then the page forgets, and all else works. */
function remember(me) {
  try {
    localStorage.setItem("rooms", JSON.stringify(me));
  } catch {}
}

function remembered() {
  const stranger = { name: `Guest ${1 + Math.floor(Math.random() * 999)}`, state: "here" };
  const name = given.get("name");
  try {
    return { ...stranger, ...JSON.parse(localStorage.getItem("rooms")), ...(name && { name }) };
  } catch {
    return { ...stranger, ...(name && { name }) };
  }
}

/** The secret that makes the tabs of a browser, and a page before and after a reload, one person. */
function secret() {
  const who = given.get("who") ?? "";
  if (/^[\w-]{16,64}$/.test(who)) return who;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    localStorage.setItem("rooms-who", localStorage.getItem("rooms-who") ?? made);
    return localStorage.getItem("rooms-who");
  } catch {
    return made;
  }
}

/** The address of a page that somebody opens beside another one "as yourself" says who that is. */
const given = new URLSearchParams(window.location.hash.slice(1));
const room = new URLSearchParams(window.location.search).get("room") ?? "lobby";
const who = secret();
/** Before the server has said anything: nobody, and what a page before a reload has got. */
const start = { people: { people: [] }, said: recallSaid(room) };
// The name is for the first time: a page that is loaded anew remembers its own.
if (given.has("name")) window.history.replaceState(null, "", `#${new URLSearchParams({ who })}`);
createRoot(document.getElementById("page")).render(<Page who={who} room={room} />);
