/** IP addresses in the spelling that users see: in `connection.remoteAddress`, in the log and in `onAccess`. */
import { isIPv4, isIPv6, SocketAddress } from "node:net";

/** The address of a socket. An IPv4-mapped IPv6 address (`::ffff:1.2.3.4`), which a dual-stack listener sees, becomes plain IPv4. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  // The order matters: `isIPv6` is the slowest check.
  return address.startsWith("::ffff:") && address.includes(".") && isIPv6(address) ? address.slice(7) : address;
}

/** An address from a header, in the spelling of sockets: `2001:DB8:0::1` becomes `2001:db8::1`. Any other text stays unchanged. */
export function canonicalAddress(text: string): string {
  // `SocketAddress` would lose a zone (`fe80::1%eth0`).
  if (!text.includes(":") || text.includes("%") || !isIPv6(text)) return text;
  return plainAddress(new SocketAddress({ address: text, family: "ipv6" }).address);
}

/** The local address of every socket that a listener on `host` accepts; `undefined` if sockets may differ. */
export function fixedLocalAddress(host: string): string | undefined {
  return isIPv4(host) && host !== "0.0.0.0" ? host : undefined;
}
