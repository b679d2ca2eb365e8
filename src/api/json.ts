/** The values that travel as JSON: what connections show of themselves (option `presence`). */

/** A value that JSON can carry (RFC 8259). A property that is `undefined` counts as absent. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };
