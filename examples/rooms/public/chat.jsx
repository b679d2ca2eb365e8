// The chat of a room: what was said, in the order that is the same everywhere, then what this page has said and has not got back yet.
import { useEffect, useRef, useState } from "react";

/** A message that has not come back after this time has perhaps been lost with the engine. */
const PATIENCE_MS = 5_000;
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export function Chat({ client, said: { entries, notSent, hasNoPast }, me }) {
  const [own, setOwn] = useState([]);
  const cameBack = new Set(entries.filter(({ key }) => key === me).map(({ id }) => id));
  const pending = own.filter(({ id }) => !cameBack.has(id));
  const say = (text, id = crypto.getRandomValues(new Uint32Array(3)).join("-"), instead = id) => {
    const hasGone = client.send(JSON.stringify({ id, text }));
    setOwn([...pending.filter((message) => message.id !== instead), { id, text, hasGone }]);
  };
  return (
    <section className="card" aria-labelledby="chat-title">
      <h2 id="chat-title">What was said</h2>
      {hasNoPast && <p className="quiet">What was said before cannot be read now. Load the page again later.</p>}
      <Log>
        {entries.map((entry) => (
          <Entry key={`${entry.key} ${entry.id}`} entry={entry} isMine={entry.key === me} />
        ))}
        {pending.map(({ id, text, hasGone }) => {
          const isRefused = !hasGone || notSent.includes(id);
          // What is perhaps on its way keeps its id: should both arrive, pages show one.
          const again = () => (isRefused ? say(text, undefined, id) : say(text, id));
          return <Pending key={id} text={text} isRefused={isRefused} again={again} />;
        })}
      </Log>
      <Composer say={say} />
    </section>
  );
}

/** Stays at the end while it is read there. */
function Log({ children }) {
  const log = useRef();
  const isAtEnd = useRef(true);
  const onScroll = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  useEffect(() => {
    const { current } = log;
    // Not every browser lets the keyboard into what scrolls.
    current.tabIndex = 0;
    const observer = new ResizeObserver(() => {
      if (isAtEnd.current) current.scrollTop = current.scrollHeight;
    });
    observer.observe(current.lastElementChild);
    return () => observer.disconnect();
  }, []);
  return (
    <div className="log" role="log" aria-label="What was said" ref={log} onScroll={onScroll}>
      <ol className="said" data-testid="said">
        {children}
      </ol>
    </div>
  );
}

/** What others have said is text, whatever it is. */
function Entry({ entry: { name, text, at, isHole }, isMine }) {
  if (isHole) return <li className="hole">Messages may be missing here</li>;
  return (
    <li className={isMine ? "message own" : "message"}>
      <span className="quiet">
        <bdi>{String(name)}</bdi> <time dateTime={new Date(at).toISOString()}>{time.format(at)}</time>
      </span>
      <bdi className="text">{String(text)}</bdi>
    </li>
  );
}

/** What this page has said comes back from what puts all messages into one order. */
function Pending({ text, isRefused, again }) {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(setLate, PATIENCE_MS, true);
    return () => clearTimeout(timer);
  }, []);
  const state = (isRefused && "Not sent") || (isLate ? "Perhaps not sent" : "On its way…");
  return (
    <li className="message own pending" data-testid="pending">
      <span className={isRefused ? "failed" : "quiet"}>{state}</span>
      <bdi className="text">{text}</bdi>
      {(isRefused || isLate) && (
        <button type="button" onClick={again}>
          Send again
        </button>
      )}
    </li>
  );
}

function Composer({ say }) {
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (text.trim() === "") return;
    say(text);
    setText("");
  };
  return (
    <form className="row" onSubmit={submit} autoComplete="off">
      <label className="field">
        Message
        <input value={text} maxLength={500} onChange={({ target }) => setText(target.value)} />
      </label>
      <button type="submit" className="primary">
        Say
      </button>
    </form>
  );
}
