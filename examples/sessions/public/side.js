// One side of the page: a client on the cable, what it and the server say to each other, and what becomes of it.
import { connect } from "/sendall/client.js";
import { Ledger } from "./ledger.js";
import { $, element, STATES } from "./page.js";

const CELLS = 40;
const MAX_TEXTS = 50;
const PEERS = {
  here: ["online", "Connected"],
  away: ["connecting", "Away"],
  gone: ["offline", "Gone"],
};
const FATES = { arrived: "arrived", lost: "lost", twice: "came twice", "under way": "under way" };

export class Side {
  /** Of the page to the server, and of the server to the page. */
  #ledgers = { up: new Ledger(), down: new Ledger() };
  /** What people have said: { way, n, line }. */
  #texts = [];
  #resumed = 0;
  #client;
  #pane;
  #isStale = true;

  /** @param address of the client, as `connect` takes it */
  constructor(name, title, hint, address) {
    this.#pane = $("side").content.firstElementChild.cloneNode(true);
    this.#pane.dataset.testid = name;
    this.#pane.setAttribute("aria-label", title);
    this.#part("title").textContent = title;
    this.#part("hint").textContent = hint;
    for (const strip of this.#pane.querySelectorAll(".strip"))
      strip.append(...Array.from({ length: CELLS }, () => element("i", {})));
    this.#client = connect(address, {
      session: name === "session",
      reconnect: { minMs: 250, maxMs: 1_000 },
      onOpen: (opening) => this.#showOpening(opening),
      onMessage: (json) => {
        const { n, text } = JSON.parse(json);
        this.#note("down", n, text);
        this.#ledgers.down.arrived(n);
        this.#change();
      },
    });
    const show = ({ state }) => paint(this.#part("state"), STATES[state]);
    this.#client.subscribe(show);
    show(this.#client.status);
    $("sides").append(this.#pane);
  }

  /** The page says something to the server; without a text it is a tick. */
  say(text = "") {
    const n = this.#ledgers.up.length + 1;
    // `false`: more waits than `offline` lets wait. Then nothing was said.
    if (!this.#client.send(JSON.stringify({ n, text }))) return;
    this.#note("up", n, text);
    this.#change();
  }

  /** The desk tells, past the cable, what the server has said or heard on this side, or whether the client is there. */
  learn({ said, text, heard, peer }) {
    if (peer !== undefined) paint(this.#part("peer"), PEERS[peer]);
    if (said !== undefined) this.#note("down", said, text);
    if (heard !== undefined) this.#ledgers.up.arrived(heard);
    this.#change();
  }

  end() {
    this.#client.close();
    this.#pane.remove();
  }

  #part(name) {
    return this.#pane.querySelector(`[data-part="${name}"]`);
  }

  /** It is told twice of what the server says: by the desk and by the message itself, in either order. */
  #note(way, n, text) {
    this.#ledgers[way].said(n);
    if (!text || this.#texts.some((known) => known.way === way && known.n === n)) return;
    const line = element(
      "li",
      { "data-testid": "text" },
      element("span", {}, way === "up" ? "↑ " : "↓ ", text),
      element("em", {}, FATES["under way"]),
    );
    this.#texts.push({ way, n, line });
    if (this.#texts.length > MAX_TEXTS) this.#texts.shift().line.remove();
    this.#part("texts").append(line);
    this.#part("texts").scrollTop = this.#part("texts").scrollHeight;
  }

  #showOpening({ resumed, why, replayed, lost, uncertain }) {
    if (resumed) this.#resumed++;
    // Of a plain socket nobody knows.
    const known = why === "plain" ? {} : { replayed, lost, uncertain: uncertain.length };
    const facts = { why, ...known, resumed: this.#resumed };
    for (const [name, fact] of Object.entries(facts)) this.#part(name).textContent = fact;
  }

  /** However much happens within a frame, it is drawn once. */
  #change() {
    if (!this.#isStale) return;
    this.#isStale = false;
    requestAnimationFrame(() => {
      this.#isStale = true;
      this.#draw();
    });
  }

  #draw() {
    let lost = 0;
    let twice = 0;
    for (const [way, ledger] of Object.entries(this.#ledgers)) {
      const counts = ledger.count();
      for (const [name, count] of Object.entries(counts)) this.#part(`${way}-${name}`).textContent = count;
      const first = Math.max(0, ledger.length - CELLS) + 1;
      for (const [i, cell] of [...this.#part(way).children].entries())
        cell.dataset.fate = first + i <= ledger.length ? ledger.fateOf(first + i) : "";
      lost += counts.lost;
      twice += counts.twice;
    }
    for (const { way, n, line } of this.#texts) {
      const fate = this.#ledgers[way].fateOf(n);
      line.dataset.fate = fate;
      line.lastElementChild.textContent = FATES[fate];
    }
    const verdict = `${lost === 0 ? "Nothing" : lost} lost, ${twice === 0 ? "nothing" : twice} twice`;
    // A reader of the screen would read the same words again.
    if (this.#part("verdict").textContent !== verdict) this.#part("verdict").textContent = verdict;
    this.#part("verdict").dataset.bad = String(lost + twice > 0);
  }
}

function paint(pill, [state, text]) {
  pill.dataset.state = state;
  pill.textContent = text;
}
