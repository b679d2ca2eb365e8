/**
 * The part of the Standard Schema interface (version 1.1, standardschema.dev) that a protocol uses. Schemas of zod, valibot, arktype and
 * others have the property `~standard`; so may a schema by hand.
 */

/** A schema: tells whether a value fits, and what to hand out in place of the value. */
export interface Schema<Input = unknown, Output = Input> {
  /** The interface; whatever has this property is a schema. */
  readonly "~standard": SchemaProperties<Input, Output>;
}

/** The property `~standard` of a schema. */
export interface SchemaProperties<Input = unknown, Output = Input> {
  /** The version of the interface. */
  readonly version: 1;
  /** The name of the library. */
  readonly vendor: string;
  /** Checks a value: the output, or what is wrong with the value. */
  readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
  /** Carries the types; absent at run time. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
}

/** What a schema says of a value: with `issues` the value does not fit. */
export type SchemaResult<Output> =
  | {
      /** What to hand out in place of the value that was checked. */
      readonly value: Output;
      /** Absent: the value fits. */
      readonly issues?: undefined;
    }
  | {
      /** What is wrong. */
      readonly issues: readonly SchemaIssue[];
    };

/** What is wrong with a value. */
export interface SchemaIssue {
  /** What is wrong, in words of the schema. */
  readonly message: string;
  /** Where in the value; some libraries give objects with a `key`. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The type of the values that a schema takes. */
export type InputOf<S> = S extends { readonly "~standard": { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly input: infer I }
    ? I
    : unknown
  : unknown;

/** The type of the values that a schema hands out. */
export type OutputOf<S> = S extends { readonly "~standard": { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly output: infer O }
    ? O
    : unknown
  : unknown;
