// @ts-check
// X.509 certificates (RFC 5280) for a try on one's own machine. Node signs them but does not lay them out, so that is done
// here, in DER. Browsers warn of a certificate that nobody they know has signed: in earnest, get one from an authority.
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** @param {number} tag @param {...(Buffer | string)} parts */
function der(tag, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

/** @param {...Buffer} parts */
const sequence = (...parts) => der(0x30, ...parts);
/** @param {string} hex */
const identifier = (hex) => der(0x06, Buffer.from(hex, "hex"));
const TRUE = der(0x01, Buffer.from([255]));
const ECDSA_WITH_SHA256 = sequence(identifier("2a8648ce3d040302"));

/** @param {string} name */
const commonName = (name) => sequence(der(0x31, sequence(identifier("550403"), der(0x0c, name))));

/** @param {number} daysFromNow */
function time(daysFromNow) {
  const text = new Date(Date.now() + daysFromNow * 86_400_000).toISOString();
  return der(0x17, `${text.replace(/\D/g, "").slice(2, 14)}Z`);
}

/**
 * A certificate for localhost and 127.0.0.1 and its private key, both as PEM: signed by `issuer`, or by itself, which makes
 * it an authority for others.
 * @param {string} name @param {{ name: string, key: string }} [issuer]
 */
export function makeCertificate(name, issuer) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const authority = sequence(identifier("551d13"), TRUE, der(0x04, issuer ? sequence() : sequence(TRUE)));
  const hosts = sequence(der(0x82, "localhost"), der(0x87, Buffer.from([127, 0, 0, 1])));
  const certified = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    commonName(issuer?.name ?? name),
    sequence(time(-1), time(90)),
    commonName(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(authority, sequence(identifier("551d11"), der(0x04, hosts)))),
  );
  const signature = sign("sha256", certified, issuer ? createPrivateKey(issuer.key) : privateKey);
  const bytes = sequence(certified, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature));
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  const cert = ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
  return { name, cert, key: String(privateKey.export({ type: "pkcs8", format: "pem" })) };
}
