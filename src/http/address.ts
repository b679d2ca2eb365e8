/** Addresses as users see them: in `connection.remoteAddress`, in logs and in `onAccess`. */
import { isIPv6 } from "node:net";

/** An IPv4 peer of a socket that listens on IPv6 is shown as what it is. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return "";
  return isIPv6(address) && address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
