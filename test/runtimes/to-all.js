/** What the command serves for a sentence about workers: each message to everybody. */

/**
 * @param {import("sendall").ServerEvent} event
 * @param {import("sendall").Bus} bus
 */
export default function handler(event, bus) {
  if (event.type === "message") bus.sendall(event.data);
}
