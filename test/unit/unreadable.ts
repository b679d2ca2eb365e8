/** What somebody's code may throw or return and nobody can read: used wherever our code looks at such a thing. */

function thrower(): never {
  throw new Error("do not look at me");
}

const TRAPS = [
  "get",
  "getPrototypeOf",
  "has",
  "ownKeys",
  "getOwnPropertyDescriptor",
  "set",
  "defineProperty",
  "isExtensible",
  "deleteProperty",
] as const;

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function withGetter(error: Error, name: string): Error {
  return Object.defineProperty(error, name, { get: thrower, enumerable: true, configurable: true });
}

function deep(causes: number): Error {
  let error = new Error("the first cause");
  for (let i = 0; i < causes; i++) error = new Error(`cause ${i}`, { cause: error });
  return error;
}

function circular(): Error {
  const error = new Error("round");
  return Object.assign(error, { cause: error, itself: { error } });
}

/** By what they are; each call makes a new one. */
export const UNREADABLE: readonly (readonly [what: string, make: () => unknown])[] = [
  ["a frozen error", () => Object.freeze(new Error("x"))],
  ["a sealed error", () => Object.seal(new Error("x"))],
  ["an error that cannot be extended", () => Object.preventExtensions(new Error("x"))],
  ...["message", "stack", "name", "cause", "constructor", "code", "errors", "toJSON", "then", "detail"].map(
    (name) => [`an error whose ${name} cannot be read`, () => withGetter(new Error("x"), name)] as const,
  ),
  ["a revoked proxy", () => revoked({})],
  ["a revoked proxy of an array", () => revoked([])],
  [
    "a proxy of an error that throws at everything",
    () => new Proxy(new Error("x"), Object.fromEntries(TRAPS.map((trap) => [trap, thrower]))),
  ],
  ...TRAPS.map(
    (trap) => [`a proxy that throws at ${trap}`, () => new Proxy(new Error("x"), { [trap]: thrower })] as const,
  ),
  ["an AggregateError of a frozen one", () => new AggregateError([Object.freeze(new Error("x"))], "all")],
  ["an AggregateError of a revoked proxy", () => new AggregateError([revoked({})], "all")],
  [
    "an AggregateError whose errors are a revoked proxy",
    () => Object.assign(new AggregateError([], "all"), { errors: revoked([]) }),
  ],
  ["an error with a frozen cause", () => new Error("x", { cause: Object.freeze(new Error("y")) })],
  ["an error with a cause that is a revoked proxy", () => new Error("x", { cause: revoked({}) })],
  ["an error whose cause is a function that throws", () => new Error("x", { cause: thrower })],
  ["an error with 20,000 causes", () => deep(20_000)],
  ["an error that is its own cause", circular],
  ["an object without a prototype", () => Object.create(null)],
  ["an object that throws when it becomes a string", () => ({ toString: thrower, [Symbol.toPrimitive]: thrower })],
  ["an object whose class has no name", () => Object.create({ constructor: { name: Symbol("x") } })],
  ["an object that becomes no JSON", () => ({ toJSON: thrower })],
  ["an error whose message is no string", () => Object.assign(new Error(), { message: { toString: thrower } })],
  ["an error with a BigInt", () => Object.assign(new Error("x"), { big: 1n })],
  ["a symbol", () => Symbol("x")],
  ["nothing", () => undefined],
];
