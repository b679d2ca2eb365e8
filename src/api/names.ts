/**
 * The length limit of the names of rooms, channels and keys. Names often come from peers and are kept while the room has members, so the
 * limit bounds the memory that a peer can hold. Read by the bus, `channels` and the client.
 */

/**
 * In characters as `length` counts them (UTF-16 code units), so that the check costs the same for every name. Far above the names that
 * people give to rooms. Every adapter takes a name of 1,024 characters, since a subject holds the hash of a name of more than about 200
 * characters.
 */
export const MAX_NAME_LENGTH = 1_024;

/** Whether the value can name a room, a channel or a key: a string of 1 to 1,024 characters. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_NAME_LENGTH;
}
