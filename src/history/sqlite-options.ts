/** The options of the store `sqlite()`, and the reader of the options. */
import { checkNames, checkOptionsObject, readSettings, refuseOption } from "../options/read-options.js";

/** What `sqlite` takes. */
export interface SqliteOptions {
  /**
   * The path of the file, made if there is none: `"chat.db"`. There is no default, and the folder has to exist. Beside the file are two more while the server runs, with
   * `-wal` at the end, and sometimes `-shm`.
   */
  readonly file: string;
}

const sqliteTable = {
  file: {
    expected: 'the path of a file, such as "chat.db"',
    accepts: (value: unknown): value is string => typeof value === "string" && /^[^\0]*[^\0/\\]$/.test(value),
  },
} as const;

/** Checks the options of `sqlite()`; throws `BAD_OPTION`. */
export function readSqliteOptions(options: SqliteOptions): SqliteOptions {
  checkOptionsObject(options);
  checkNames({ options }, sqliteTable);
  const { file } = readSettings<SqliteOptions, typeof sqliteTable>(sqliteTable, { options });
  if (file === undefined) refuseOption("file", `expected ${sqliteTable.file.expected}, and there is none`);
  return { file };
}
