/** Tables of options and public interfaces: what does not fit does not compile. Checked by `tsc`. */
import { expect, expectTypeOf, test } from "vitest";
import type { MailboxOptions, ServerOptions, SockJsOptions } from "../../../src/api/options.js";
import { checkNames, readSettings } from "../../../src/options/read-options.js";
import type {
  RouteSettings,
  RouteTableOptions,
  routeTable,
  ServerSettings,
  ServerTableOptions,
  serverTable,
} from "../../../src/options/server-options.js";
import type { SettingsOf } from "../../../src/options/table.js";

interface LampOptions {
  readonly watts?: number;
  readonly color?: "white" | "red";
  readonly label?: string;
  readonly dimAfterMs?: number | false;
  readonly onSwitch?: (isOn: boolean) => void;
  readonly timer?: { readonly startMs?: number; readonly repeats?: boolean } | boolean;
}

const lampTable = {
  watts: { kind: "whole", min: 1, max: 100, default: 40 },
  color: { kind: "oneOf", words: ["white", "red"], default: "white" },
  label: { kind: "text" },
  dimAfterMs: { kind: "ms", orFalse: true, default: false },
  onSwitch: { kind: "function" },
  timer: {
    or: [true, false],
    default: false,
    group: { startMs: { kind: "ms", default: 1_000 }, repeats: { kind: "flag", default: true } },
  },
} as const;

const { watts: _watts, ...withoutWatts } = lampTable;
const { timer } = lampTable;
const { startMs } = timer.group;

/** The options of servers and of routes, each with an option more. */
interface MoreServerOptions extends ServerTableOptions {
  readonly motto?: string;
}
interface MoreRouteOptions extends RouteTableOptions {
  readonly motto?: string;
}
type DeepRouteOptions = Omit<RouteTableOptions, "mailbox"> & {
  readonly mailbox?: Partial<MailboxOptions & { readonly maxAgeMs: number }>;
};

/** Not called: what matters is what compiles. */
function uses(): void {
  readSettings<LampOptions, typeof lampTable>(lampTable, { options: {} });

  // @ts-expect-error an option without a row
  readSettings<LampOptions, typeof withoutWatts>(withoutWatts, { options: {} });

  const shallow = { ...lampTable, timer: { ...timer, group: { startMs } } } as const;
  // @ts-expect-error an option without a row, in a group
  readSettings<LampOptions, typeof shallow>(shallow, { options: {} });

  const wider = { ...lampTable, volts: { kind: "whole" } } as const;
  // @ts-expect-error a row without an option
  readSettings<LampOptions, typeof wider>(wider, { options: {} });

  const deeper = { ...lampTable, timer: { ...timer, group: { ...timer.group, ends: { kind: "flag" } } } } as const;
  // @ts-expect-error a row without an option, in a group
  readSettings<LampOptions, typeof deeper>(deeper, { options: {} });

  const flagged = { ...lampTable, watts: { kind: "flag" } } as const;
  // @ts-expect-error a row of another type
  readSettings<LampOptions, typeof flagged>(flagged, { options: {} });

  const paler = { ...lampTable, color: { kind: "oneOf", words: ["white"] } } as const;
  // @ts-expect-error a row which refuses a word of the option
  readSettings<LampOptions, typeof paler>(paler, { options: {} });

  const brighter = { ...lampTable, color: { kind: "oneOf", words: ["white", "red", "blue"] } } as const;
  // @ts-expect-error a row which accepts a word that the option does not have
  readSettings<LampOptions, typeof brighter>(brighter, { options: {} });

  const named = {
    ...lampTable,
    label: { expected: "a label", accepts: (value: unknown): value is number => typeof value === "number" },
  } as const;
  // @ts-expect-error a predicate of another type
  readSettings<LampOptions, typeof named>(named, { options: {} });

  const dimmed = { ...lampTable, dimAfterMs: { kind: "ms" } } as const;
  // @ts-expect-error `false` is missing
  readSettings<LampOptions, typeof dimmed>(dimmed, { options: {} });

  const called = { ...lampTable, watts: { kind: "function" } } as const;
  // @ts-expect-error a function in place of a number
  readSettings<LampOptions, typeof called>(called, { options: {} });

  const darker = { ...lampTable, color: { ...lampTable.color, default: "black" } } as const;
  // @ts-expect-error a default of another type
  readSettings<LampOptions, typeof darker>(darker, { options: {} });

  const switched = { ...lampTable, timer: { or: [true], group: timer.group } } as const;
  // @ts-expect-error a stand-in of the group is missing
  readSettings<LampOptions, typeof switched>(switched, { options: {} });

  // @ts-expect-error an option of servers without a row
  type Motto = SettingsOf<MoreServerOptions, typeof serverTable>;
  // @ts-expect-error an option of routes without a row
  type RouteMotto = SettingsOf<MoreRouteOptions, typeof routeTable>;
  // @ts-expect-error an option of a group without a row
  type MailboxMotto = SettingsOf<DeepRouteOptions, typeof routeTable>;
  expectTypeOf<[Motto, RouteMotto, MailboxMotto]>().toBeArray();
}

test("a table that does not fit its options does not compile", () => {
  expect(uses).toBeTypeOf("function");
});

test("the types of settings follow from the options and their table", () => {
  expectTypeOf<SettingsOf<LampOptions, typeof lampTable>>().toEqualTypeOf<{
    readonly watts: number;
    readonly color: "white" | "red";
    readonly label: string | undefined;
    readonly dimAfterMs: number | false;
    readonly onSwitch: ((isOn: boolean) => void) | undefined;
    readonly timer: { readonly startMs: number; readonly repeats: boolean } | false;
  }>();
  expectTypeOf<RouteSettings["mailbox"]>().toEqualTypeOf<MailboxOptions>();
  expectTypeOf<RouteSettings["sockjs"]>().toEqualTypeOf<SockJsOptions | false>();
  expectTypeOf<RouteSettings["idleTimeoutMs"]>().toEqualTypeOf<number | false>();
  expectTypeOf<ServerSettings["port"]>().toEqualTypeOf<number>();
  expectTypeOf<ServerSettings["tls"]>().toEqualTypeOf<ServerOptions["tls"] | undefined>();
  expectTypeOf<ServerSettings["whenFull"]>().toEqualTypeOf<"reject" | "wait">();
});

const read = (...layers: readonly [object, ...object[]]): SettingsOf<LampOptions, typeof lampTable> => {
  const [first, ...others] = layers.map((options, i) => ({ options, at: `layer ${i}: ` }));
  return readSettings<LampOptions, typeof lampTable>(lampTable, first ?? { options: {} }, ...others);
};

test("settings are complete", () => {
  const bare = { watts: 40, color: "white", label: undefined, dimAfterMs: false, onSwitch: undefined, timer: false };
  expect(read({})).toEqual(bare);
  expect(read({ label: undefined, timer: { repeats: undefined } })).toEqual({
    ...bare,
    timer: { startMs: 1_000, repeats: true },
  });
  expect(read({ timer: true })).toEqual({ ...bare, timer: { startMs: 1_000, repeats: true } });
});

test("the first layer with a value decides, and further layers are checked too", () => {
  expect(read({ watts: 1 }, { watts: 2, color: "red" })).toMatchObject({ watts: 1, color: "red" });
  expect(read({ timer: { startMs: 1 } }, { timer: false }).timer).toEqual({ startMs: 1, repeats: true });
  expect(read({ timer: false }, { timer: { startMs: 1 } }).timer).toBe(false);
  expect(() => read({ watts: 1 }, { watts: 0 })).toThrow(
    "layer 1: watts: expected a whole number from 1 to 100, got 0",
  );
});

test("values are checked in the order of the rows, names in the order of the options", () => {
  const both = { color: "blue", watts: 0 };
  expect(() => read(both)).toThrow("layer 0: watts: ");
  const check = (options: object, rules?: Parameters<typeof checkNames>[2]): void =>
    checkNames({ options }, lampTable, rules);
  expect(() => check(both)).not.toThrow();
  expect(() => check({ volts: 1, amps: 2 })).toThrow(
    "volts: unknown option: the options are watts, color, label, dimAfterMs, onSwitch, timer",
  );
  expect(() => check({ timer: { ends: 1 }, volts: 1 })).toThrow(
    "timer.ends: unknown option: the options are timer.startMs, timer.repeats",
  );
  expect(() => check(both, { withValues: true })).toThrow('color: expected "white" or "red", got "blue"');
  expect(() => check({ toString: 1 })).toThrow("toString: ");
});

test("an option that is required has no default, and a secret value is in no message", () => {
  interface DoorOptions {
    readonly key?: string;
  }
  const doorTable = {
    key: {
      expected: "the key",
      accepts: (value: unknown): value is string => value === "sesame",
      required: true,
      secret: true,
    },
  } as const;
  const open = (options: object): string => readSettings<DoorOptions, typeof doorTable>(doorTable, { options }).key;
  expect(open({ key: "sesame" })).toBe("sesame");
  for (const options of [{}, { key: "rye" }]) expect(() => open(options)).toThrow(/^key: expected the key$/);
});
