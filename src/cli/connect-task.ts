/** The command line of `sendall connect`: flags, help, and the checks that come before the first packet. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { SendallError } from "../api/errors.js";
import type { DialTrust } from "../client/node-socket.js";
import { readConnectOptions } from "../client/settings.js";
import { show } from "../runtime/show.js";
import { messageOf } from "../runtime/thrown.js";
import { usageError } from "./exit.js";
import { explainFlags } from "./explain-flags.js";
import { COMMAND_HELP } from "./prompt-command.js";

export const USAGE: string = `Usage: sendall connect <url> [options]

Connects to a WebSocket server. Each line of standard input is sent as a message; each message
that arrives is written to standard output, binary ones in hex. At a terminal it asks for lines
until Ctrl-D or Ctrl-C; of a pipe it sends every line, then waits for answers until none has come
for a while, and closes:

  printf 'a\\nb\\n' | sendall connect localhost:8080/chat

An address without a scheme gets ws://; wss:// with port 443, --insecure or --ca.

Options:
  --json                 send only lines that are JSON; indent the JSON that arrives
  --binary               send each line as a binary message, its bytes in UTF-8
  --protocol <name>      offer this subprotocol (may be repeated, in order of preference)
  --session              speak with a session of Sendall, as pages do, and show whether the server keeps it
                         ("new") or not ("off"); without it, as any WebSocket client. Either way the
                         command ends when its connection is lost
  --header <name:value>  send this header with the handshake (may be repeated)
  --insecure             accept any certificate, such as a self-signed one
  --ca <file>            accept certificates of the authorities in this PEM file alone
  --commands             obey commands in the lines of a pipe, too
  --wait <seconds>       how long no message may come or go after the end of a pipe (default: 1)
  -h, --help             show this help

Commands at the prompt, and with --commands in a pipe, where /close ends the input:
${COMMAND_HELP.replaceAll(/^/gm, "  ")}

Exit codes: 0 the connection was closed by this side, or by the server with 1000, 1001 or no code;
1 there was none: refused, or no server; 2 the command line is wrong, or a line of a pipe is not
JSON or no command; 3 it was lost; 4 the server closed it with another code; 130, 143 ended by a
second signal, or by one before it was open.
`;

const FLAGS = {
  json: { type: "boolean", default: false },
  binary: { type: "boolean", default: false },
  protocol: { type: "string", multiple: true, default: [] as string[] },
  session: { type: "boolean", default: false },
  header: { type: "string", multiple: true, default: [] as string[] },
  insecure: { type: "boolean", default: false },
  ca: { type: "string" },
  commands: { type: "boolean", default: false },
  wait: { type: "string", default: "1" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** The checked command line of `sendall connect`. */
export interface ConnectTask {
  /** With a scheme. */
  readonly url: string;
  readonly protocols: readonly string[];
  /** Whether to offer a session. */
  readonly isSession: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly trust: DialTrust;
  readonly isJson: boolean;
  readonly isBinary: boolean;
  /** Whether lines of a pipe may be commands. */
  readonly hasCommands: boolean;
  readonly waitMs: number;
}

/** @returns `undefined` if the command line asks for help. Throws `BAD_OPTION` */
export function readTask(args: readonly string[]): ConnectTask | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  const [address, ...rest] = positionals;
  if (address === undefined) throw connectUsageError("connect needs a URL");
  if (rest.length > 0) throw connectUsageError(`connect takes one URL, got ${positionals.length}`);
  const trust = readTrust(values.insecure, values.ca);
  const headers = readHeaders(values.header);
  readConnectOptions({ headers, protocols: values.protocol });
  return {
    url: readAddress(address, trust),
    protocols: values.protocol,
    isSession: values.session,
    headers,
    trust,
    isJson: values.json,
    isBinary: values.binary,
    hasCommands: values.commands,
    waitMs: readWait(values.wait),
  };
}

type Parsed = ReturnType<typeof parseArgs<{ options: typeof FLAGS; allowPositionals: true }>>;

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw connectUsageError(explainFlags(error, FLAGS));
  }
}

function connectUsageError(problem: string): SendallError {
  return usageError(problem, "sendall connect --help");
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Completes an address as people say one, `localhost:8080/chat`. */
function readAddress(address: string, trust: DialTrust): string {
  const hasTrust = Object.keys(trust).length > 0;
  const url = SCHEME.test(address) ? address : complete(address, hasTrust);
  if (hasTrust && !/^(?:wss|https):/i.test(url))
    throw connectUsageError(`--insecure and --ca: expected an address that begins with wss://, got ${show(address)}`);
  return url;
}

function complete(address: string, hasTrust: boolean): string {
  const url = `ws://${address}`;
  // A URL parser takes any number of slashes, and a path would become a host.
  if (address.startsWith("/") || !URL.canParse(url))
    throw connectUsageError(`url: expected a URL, or an address such as localhost:8080/chat, got ${show(address)}`);
  return hasTrust || new URL(url).port === "443" ? `wss://${address}` : url;
}

function readTrust(isInsecure: boolean, file: string | undefined): DialTrust {
  if (file === undefined) return isInsecure ? { rejectUnauthorized: false } : {};
  if (isInsecure) throw connectUsageError("--insecure: does not go with --ca, whose authorities nobody would ask");
  return { ca: readAuthorities(file) };
}

/** Node's TLS passes over a file without certificates, and the handshake would fail for a reason hard to guess. */
function readAuthorities(file: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw connectUsageError(`--ca: cannot read ${file}: ${messageOf(error)}`);
  }
  try {
    new X509Certificate(bytes);
    return bytes;
  } catch {
    throw connectUsageError(`--ca: expected a file with certificates (PEM), got ${show(file)}`);
  }
}

/** Repeated headers are joined into a single header, as in HTTP (RFC 9110 section 5.2). */
function readHeaders(lines: readonly string[]): Record<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === "") throw connectUsageError(`--header: expected "name: value", got ${JSON.stringify(line)}`);
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}

function readWait(text: string): number {
  if (!/^\d{1,6}(\.\d+)?$/.test(text))
    throw connectUsageError(`--wait: expected a number of seconds, got ${JSON.stringify(text)}`);
  return Number(text) * 1000;
}
