/**
 * The scripts that `redisHistory()` runs in Redis, and the forms of what the scripts take and answer. A script runs alone, so a room has one order.
 *
 * Of each room Redis has a stream of the messages, and a hash with what the positions mean: the epoch, the number given last, the number of the last
 * message, the number that stands for the start of the room, the run of the engine that wrote last, and
 * whether such a run loses nothing. The numbers are the ids of the stream. The start
 * is an anchor while nothing has come, or while the first message of the stream is the next one.
 *
 * An engine that was started again may have lost what came last. So the script that comes first to a room leaves out numbers, since members may have
 * seen the positions of lost messages; and begins a new epoch, unless the engine wrote each message to a file before members got the message.
 */
import type { HistoryReading, MessageToKeep, StoredMessage } from "../../api/history-store.js";
import { positionOf } from "../../history/position.js";
import { readSource, writeSource } from "./kept-source.js";

/** More than an engine can take between two writes to its disk. */
const LEFT_OUT = 1_048_576;

/** `KEYS`: the stream, the hash. `ARGV`: a new epoch, the run of the engine, whether the run loses nothing, ms until the keys go. */
const OPEN_ROOM = `
local function text(number) return string.format('%.0f', number) end
local known = redis.call('HMGET', KEYS[2], 'epoch', 'number', 'last', 'start', 'run', 'safe')
local epoch, number, last, start = known[1], tonumber(known[2]), tonumber(known[3]), tonumber(known[4])
if not epoch then
  redis.call('DEL', KEYS[1])
  epoch, number, last, start = ARGV[1], 0, 0, 0
elseif known[5] ~= ARGV[2] then
  number = number + ${LEFT_OUT}
  if ARGV[3] ~= '1' or known[6] ~= '1' then epoch, start = ARGV[1], -1 end
  if redis.call('XLEN', KEYS[1]) == 0 then last, start = number, number end
end
local function save()
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'number', text(number), 'last', text(last), 'start', text(start), 'run', ARGV[2], 'safe', ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
`;

/** Further `ARGV`: the most messages of a room, the channel, and for each message the head and the bytes. */
export const APPEND: string = `${OPEN_ROOM}
local before = number
number = before + (#ARGV - 6) / 2
last = number
save()
for i = 7, #ARGV, 2 do
  before = before + 1
  redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[5], text(before) .. '-0', 'head', ARGV[i], 'data', ARGV[i + 1])
  redis.call('PUBLISH', ARGV[6], epoch .. ' ' .. text(before) .. ' ' .. ARGV[i] .. '\\n' .. ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
`;

/**
 * Further `ARGV`: the time before which messages are too old, `last`, `after` or `missed`, for `last` the number of messages, else the epoch and the number
 * after which messages are asked for and the most messages. `missed` is `after` for a reader who has the last message, even if the message has gone.
 */
export const READ: string = `${OPEN_ROOM}
local function at(entry) return string.match(entry[2][2], '^%S+') end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
while first and tonumber(at(first)) < tonumber(ARGV[5]) do
  redis.call('XDEL', KEYS[1], first[1])
  first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
end
if not first and start ~= number then
  number = number + 1
  last, start = number, number
end
save()
local function answer(outcome, entries) return { outcome, epoch, text(last), first and at(first) or '', entries } end
if ARGV[6] == 'last' then
  if ARGV[7] == '0' then return answer('complete', {}) end
  return answer('complete', redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[7]))
end
if ARGV[7] ~= epoch then return answer('unknown', {}) end
local after, limit = tonumber(ARGV[8]), tonumber(ARGV[9])
local function isThere()
  if after == start then return not first or first[1] == text(start + 1) .. '-0' end
  if ARGV[6] == 'missed' and after == last then return true end
  return after > 0 and #redis.call('XRANGE', KEYS[1], text(after), text(after), 'COUNT', 1) == 1
end
if not isThere() then return answer('gap', {}) end
local entries = redis.call('XRANGE', KEYS[1], text(after + 1), '+', 'COUNT', limit + 1)
if #entries > limit then return answer('gap', {}) end
return answer('complete', entries)
`;

/** What a message has beside its bytes, as one word each: when sent, text or bytes, the source. */
export function headOf({ at, isBinary, source }: MessageToKeep): string {
  return `${at} ${isBinary ? "b" : "t"} ${writeSource(source)}`;
}

function readMessage(room: string, position: string, head: string, bytes: Uint8Array): StoredMessage {
  const [at, kind, word = ""] = head.split(" ");
  const message = { room, bytes, isBinary: kind === "b", at: Number(at), position };
  const source = readSource(word);
  return source === undefined ? message : { ...message, source };
}

const LINE_END = 10;

/** A message as `APPEND` publishes the message. @returns `undefined` for what no script has published */
export function readPublished(room: string, packet: Buffer): StoredMessage | undefined {
  const end = packet.indexOf(LINE_END);
  const [, epoch, number, head] = /^([0-9a-f]+) (\d+) (\S+ [bt] \S*)$/.exec(packet.toString("utf8", 0, end)) ?? [];
  if (epoch === undefined || head === undefined) return undefined;
  return readMessage(room, positionOf(epoch, Number(number)), head, packet.subarray(end + 1));
}

/** An entry of a stream: the id, and names and values in turn. */
type Entry = readonly [id: Buffer, fields: readonly Buffer[]];
type Answer = readonly [outcome: Buffer, epoch: Buffer, last: Buffer, oldest: Buffer, entries: readonly Entry[]];

/** A reading, and when the oldest message of the room was sent. */
export interface RedisReading extends HistoryReading {
  readonly oldest: number | undefined;
}

/** @param answer of `READ`; `isNewestFirst` after `last` */
export function readAnswer(room: string, answer: unknown, isNewestFirst: boolean): RedisReading {
  const [outcome, epoch, last, oldest, entries] = answer as Answer;
  const epochName = epoch.toString();
  const messages = entries.map(([id, [, head, , data]]) =>
    readMessage(
      room,
      positionOf(epochName, Number.parseInt(id.toString(), 10)),
      head?.toString() ?? "",
      data ?? Buffer.alloc(0),
    ),
  );
  return {
    outcome: outcome.toString() as HistoryReading["outcome"],
    entries: isNewestFirst ? messages.reverse() : messages,
    position: positionOf(epochName, Number(last.toString())),
    oldest: oldest.length === 0 ? undefined : Number(oldest.toString()),
  };
}
