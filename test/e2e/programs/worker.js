// @ts-check
/** A handler for several workers: tells who serves, ends its process when asked to, and passes everything else on to all. */

/**
 * @param {import("sendall").ServerEvent} event
 * @param {import("sendall").Bus} bus
 */
export default function handle(event, bus) {
  if (event.type !== "message") return;
  if (event.data === "pid") bus.unicast(`pid ${process.pid}`, event.connection);
  else if (event.data === "die") process.exit(7);
  else bus.sendall(event.data);
}
