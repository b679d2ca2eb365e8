/** The options of the store `sqlite()`, and the reader of the options. */
import { isRecord } from "../options/kinds.js";
import { checkNames, readSettings, refuseOption } from "../options/read-options.js";
import { show } from "../runtime/show.js";

/** What `sqlite` takes. */
export interface SqliteOptions {
  /**
   * The path of the file, made if there is none: `"chat.db"`. The folder has to exist, and a file belongs to one server at a time. While the file is
   * open, and after a crash, more files stand beside, with `-wal`, `-shm` and `-open` at the end of the name: keep the files together. There is
   * no default.
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
  if (!isRecord(options)) refuseOption("sqlite", `expected { file: "chat.db" }, got ${show(options)}`);
  checkNames({ options }, sqliteTable);
  const { file } = readSettings<SqliteOptions, typeof sqliteTable>(sqliteTable, { options });
  if (file === undefined) refuseOption("file", `expected ${sqliteTable.file.expected}, and there is none`);
  return { file };
}
