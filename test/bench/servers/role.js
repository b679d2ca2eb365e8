// @ts-check
/** What a server program is to do, by the role that the scenario names: its first argument. */

/** Before the name of a role: the server listens for TLS. */
const SECURE = "tls-";
const [, , role = ""] = process.argv;
const isSecure = role.startsWith(SECURE);

/**
 * @template T
 * @param {Readonly<Record<string, T>>} roles
 * @returns {T}
 */
export function chooseRole(roles) {
  const name = isSecure ? role.slice(SECURE.length) : role;
  const chosen = roles[name];
  if (chosen === undefined) throw new Error(`role "${name}": this server has ${Object.keys(roles).join(", ")}`);
  return chosen;
}

/** Made anew at each start, since the load trusts everybody; none if the role is not to be secure. */
export const certificate = isSecure ? await makeCertificate() : undefined;

async function makeCertificate() {
  // Not with the others: a server without TLS is not to carry what this loads.
  const { makeCertificate: make } = await import("../../../examples/tls/certificate.js");
  return make("a server of the benchmark");
}
