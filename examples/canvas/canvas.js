// @ts-check
// The canvas's handler: who is there, and the strokes for those who come later. server.js serves it; the tests run it without a port.
//
// A message that begins with @ is a word of this wire, any other is a stroke, which is for the pages to understand:
//
//   to a newcomer   @ID:id   @PT:id,id,…   @NM:id,name for each who has one, then the strokes, oldest first
//   to the others   @NC:id   has come          @CL:id   has left
//                   a stroke, as it came       @CU      wiped the canvas: what was drawn is forgotten
//                   @NM:id,name   is called    @MV:id,x,y   points there
//   from a page     a stroke   @CU   @NM:name   @MV:x,y        other words mean nothing
//
// How much is kept has a bound, and the oldest goes first: all that a newcomer gets has to fit into its outbox
// (`outbox.maxBufferedBytes`, 1 MiB), else it would count as a slow consumer. A character takes three bytes at most.
const MAX_KEPT = { strokes: 5_000, characters: 250_000 };
const MAX_NAME = 24;

/**
 * @typedef {{ name?: string }} Artist
 * @typedef {import("sendall").Connection<Artist>} Connection
 * @typedef {import("sendall").Bus<Artist>} Bus
 * @typedef {{ readonly strokes: readonly string[], readonly characters: number }} Drawing
 */

/** @type {Drawing} */
const EMPTY = { strokes: [], characters: 0 };

/** @param {typeof MAX_KEPT} max @returns {import("sendall").StatefulHandler<Drawing, Artist>} */
export function createCanvas(max = MAX_KEPT) {
  return {
    init: () => EMPTY,
    handle(event, drawing, bus) {
      if (event.type === "open") welcome(event.connection, drawing, bus);
      if (event.type === "closed") bus.sendall(`@CL:${event.connection.id}`);
      if (event.type !== "message") return drawing;
      if (event.text.startsWith("@")) return obey(event.text, drawing, event.connection, bus);
      bus.broadcast(event.text, event.connection);
      return keep(event.text, drawing, max);
    },
  };
}

/** @param {Connection} connection @param {Drawing} drawing @param {Bus} bus */
function welcome(connection, { strokes }, bus) {
  const others = bus.connections().filter(({ id }) => id !== connection.id);
  connection.send(`@ID:${connection.id}`);
  connection.send(`@PT:${others.map(({ id }) => id).join(",")}`);
  for (const { id, data } of others) if (data.name !== undefined) connection.send(`@NM:${id},${data.name}`);
  for (const stroke of strokes) connection.send(stroke);
  bus.broadcast(`@NC:${connection.id}`, connection);
}

/** @param {string} word @param {Drawing} drawing @param {Connection} connection @param {Bus} bus @returns {Drawing} */
function obey(word, drawing, connection, bus) {
  const said = word.slice("@NM:".length);
  if (word.startsWith("@CU")) {
    bus.broadcast(word, connection);
    return EMPTY;
  }
  if (word.startsWith("@NM:")) {
    // Characters as people count them are not cut in two.
    connection.data.name = [...said.replace(/\p{C}/gu, "").trim()].slice(0, MAX_NAME).join("");
    bus.broadcast(`@NM:${connection.id},${connection.data.name}`, connection);
  }
  if (/^@MV:\d{1,4},\d{1,4}$/.test(word)) bus.broadcast(`@MV:${connection.id},${said}`, connection);
  return drawing;
}

/** @param {string} stroke @param {Drawing} drawing @param {typeof MAX_KEPT} max @returns {Drawing} */
function keep(stroke, drawing, max) {
  const strokes = [...drawing.strokes, stroke];
  let characters = drawing.characters + stroke.length;
  let first = 0;
  while (strokes.length - first > max.strokes || characters > max.characters) {
    characters -= strokes[first]?.length ?? 0;
    first++;
  }
  return { strokes: strokes.slice(first), characters };
}
