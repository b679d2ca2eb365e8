// What was said in the room, as this page has got it. All pages of all nodes get the same messages in the same order.

const MAX_SHOWN = 200;
const NOTHING = { entries: [], notSent: [] };

/**
 * `entries` are messages, `{ key, id, name, text, at, position }`, and `{ id, isHole: true }` where messages may be missing; `notSent` are the ids of messages
 * of this page that reach nobody.
 */
export function followSaid(said, news) {
  if (news.type === "said") return add(said, news);
  if (news.type === "hole")
    return { ...said, entries: [...said.entries, { id: crypto.getRandomValues(new Uint32Array(1))[0], isHole: true }] };
  if (news.type === "not sent") return { ...said, notSent: [...said.notSent, news.id] };
  if (news.type === "no past") return { ...said, hasNoPast: true };
  return said;
}

/** Whoever begins anew behind a hole gets again some of what the page shows already. */
function add(said, message) {
  if (said.entries.some(({ id, key }) => id === message.id && key === message.key)) return said;
  return { ...said, entries: [...said.entries, message].slice(-MAX_SHOWN) };
}

/** Where the page goes on after a break: `undefined` for a page that has got nothing. */
export function positionOf({ entries }) {
  return entries.findLast(({ position }) => position !== undefined)?.position;
}

/** A position is worth something together with what the page shows. Each tab has its own. */
export function rememberSaid(room, { entries }) {
  try {
    sessionStorage.setItem(`rooms-said-${room}`, JSON.stringify(entries));
  } catch {}
}

export function recallSaid(room) {
  try {
    return { ...NOTHING, entries: JSON.parse(sessionStorage.getItem(`rooms-said-${room}`)) ?? [] };
  } catch {
    return NOTHING;
  }
}
