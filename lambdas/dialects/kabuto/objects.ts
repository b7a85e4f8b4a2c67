import type { Item, Write } from "../../ports/ledger-store.ts";
import { pagesOf } from "../../ports/pages-of.ts";
import type { OwnRecords } from "../own-records.ts";
import {
  type Counter,
  type ImageRecord,
  type JobRecord,
  type Kind,
  keys,
  type PipelineRecord,
} from "./records.ts";

type RecordOf = { image: ImageRecord; pipeline: PipelineRecord; job: JobRecord };

/** Most objects of a kind that a user may have. */
export const MOST: Record<Kind, number> = { image: 100, pipeline: 500, job: 5_000 };

/** An id as it is written in a path: exactly its digits. */
export function idOf(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

/** A user's object; undefined for an id that is none of theirs. */
export async function findObject<K extends Kind>(
  records: OwnRecords,
  uid: string,
  kind: K,
  id: number | undefined,
): Promise<Item<RecordOf[K]> | undefined> {
  return id === undefined ? undefined : records.get<RecordOf[K]>(keys.object(uid, kind, id));
}

/** All of a user's objects of a kind, ascending by id. */
export async function listObjects<K extends Kind>(
  records: OwnRecords,
  uid: string,
  kind: K,
): Promise<RecordOf[K][]> {
  const items = await records.query<RecordOf[K]>({ pk: uid, prefix: `${kind}#`, limit: MOST[kind] });
  return items.map(({ data }) => data);
}

/** Records read at once. */
export const PAGE = 500;

/** All records of a user whose sort keys begin with `prefix`, in their order. */
export async function* recordsOf<T>(
  records: OwnRecords,
  uid: string,
  prefix: string,
): AsyncGenerator<Item<T>> {
  for await (const page of pagesOf<T>(records, { pk: uid, prefix, limit: PAGE })) yield* page;
}

/** A counter as it was read: the next id, how many there are, and what they take together. */
export type CounterSeen = { id: number; used: number; rev: number; files: number; textBytes: number };

/** The next id of a kind, and how many there are. */
export async function readCounter(records: OwnRecords, uid: string, kind: Kind): Promise<CounterSeen> {
  const item = await records.get<Counter>(keys.counter(uid, kind));
  const { last = 0, used = 0, files = 0, textBytes = 0 } = item?.data ?? {};
  return { id: last + 1, used, rev: item?.rev ?? 0, files, textBytes };
}

/** The counter after an id was given, or `used` changed; on condition of what was read. */
export function counterWrite(
  uid: string,
  kind: Kind,
  read: CounterSeen,
  to: { given?: boolean; used: number; files?: number; textBytes?: number },
): Write {
  const { files = read.files, textBytes = read.textBytes } = to;
  const data: Counter = {
    last: to.given ? read.id : read.id - 1,
    used: Math.max(0, to.used),
    ...(files > 0 && { files }),
    ...(textBytes > 0 && { textBytes }),
  };
  return { put: { ...keys.counter(uid, kind), data }, if: read.rev };
}
