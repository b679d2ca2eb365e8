// @ts-check
/** What a server program is to do, by the role that the scenario names: its first argument. */

/**
 * @template T
 * @param {Readonly<Record<string, T>>} roles
 * @returns {T}
 */
export function chooseRole(roles) {
  const [, , name = ""] = process.argv;
  const role = roles[name];
  if (role === undefined) throw new Error(`role "${name}": this server has ${Object.keys(roles).join(", ")}`);
  return role;
}
