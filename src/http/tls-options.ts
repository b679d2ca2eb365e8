/** Checks the option `tls` before Node takes it: Node's own errors name no option, and Node ignores a `ca` that holds no certificate. */
import type { TlsOptions } from "node:tls";
import { refuseOption } from "../options/read-options.js";
import { bufferOf } from "../runtime/buffer-of.js";

/** TLS options that give a server an identity, besides `cert` with a key. */
const IDENTITIES = ["pfx", "SNICallback", "secureContext", "pskCallback"] as const;

/** TLS options of PEM files (RFC 7468). `pfx` is binary. */
const PEM_OPTIONS = ["key", "cert", "ca"] as const;

const BEGIN = "-----BEGIN";
const LOOKS_LIKE_PATH = /^(?:file:|[^\n]*[\\/]|[^\n]*\.\w+$)[^\n]*$/;

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && !(Object(value).length === 0 && typeof value !== "function");
}

/** Whether any client could complete a TLS handshake with these options. */
function hasIdentity(tls: TlsOptions): boolean {
  if (IDENTITIES.some((name) => isGiven(tls[name]))) return true;
  return isGiven(tls.cert) && (isGiven(tls.key) || isGiven(tls.privateKeyIdentifier));
}

/** An entry of a list may be an object: `{ pem, passphrase }`. The value may be a private key, so no message shows the value. */
function checkPem(name: string, value: unknown): void {
  if (!isGiven(value)) return;
  if (Array.isArray(value)) for (const [i, entry] of value.entries()) checkPem(`${name}[${i}]`, entry);
  else if (typeof value === "object" && value !== null && "pem" in value) checkPem(`${name}.pem`, value.pem);
  else if (typeof value === "string" || ArrayBuffer.isView(value)) {
    const text = typeof value === "string" ? value : bufferOf(value);
    if (text.includes(BEGIN)) return;
    const got = LOOKS_LIKE_PATH.test(String(text)) ? "a path: read the file, readFileSync(…)" : `no "${BEGIN} …"`;
    refuseOption(name, `expected the content of a PEM file, got ${got}`);
  }
}

/** Throws `BAD_OPTION` for options with which no client could connect. */
export function checkTls(tls: TlsOptions): void {
  for (const name of PEM_OPTIONS) checkPem(`tls.${name}`, tls[name]);
  if (!hasIdentity(tls)) refuseOption("tls", "expected a certificate: { key, cert } or { pfx }");
  // The names of TLS versions sort by age.
  if (tls.minVersion !== undefined && tls.maxVersion !== undefined && tls.minVersion > tls.maxVersion)
    refuseOption("tls", "expected a minVersion that is not above maxVersion");
}
