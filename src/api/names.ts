/**
 * How long the name of a room or a channel may be. Names often come from peers and are kept for as long as somebody is in the
 * room, so the bound is part of the memory that one peer can hold. Read by the bus, `channels` and the client.
 */

/**
 * In characters as `length` counts them (UTF-16 code units), so that the check costs the same for every name. Far above what
 * people call their rooms; each adapter takes it, since a subject has the hash of a name of more than about 200 characters.
 */
export const MAX_NAME_LENGTH = 1_024;
