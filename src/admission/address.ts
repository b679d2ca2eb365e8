/** Addresses as users see them: in `connection.remoteAddress`, in logs and in `onAccess`. */
import { isIPv4, isIPv6, SocketAddress } from "node:net";

/** An IPv4 peer of a socket that listens on IPv6 is shown as what it is. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  // What is one is asked last, since that takes longest.
  return address.startsWith("::ffff:") && address.includes(".") && isIPv6(address) ? address.slice(7) : address;
}

/** An address that somebody has written, in the spelling of sockets: `2001:DB8:0::1` is `2001:db8::1`. What is none stays as it is. */
export function oneAddress(text: string): string {
  // A zone (`fe80::1%eth0`) would get lost.
  if (!text.includes(":") || text.includes("%") || !isIPv6(text)) return text;
  return plainAddress(new SocketAddress({ address: text, family: "ipv6" }).address);
}

/** Our side of every socket that comes in at a listener on `host`; `undefined` if there may be several addresses. */
export function onlyAddress(host: string): string | undefined {
  return isIPv4(host) && host !== "0.0.0.0" ? host : undefined;
}
