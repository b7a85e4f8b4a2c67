import type { DatabaseSync } from "node:sqlite";
import type * as z from "zod";

/** Reads JSON that the database holds; undefined when it is none, or not of that shape. */
export function storedJson<S extends z.ZodType>(schema: S, text: unknown): z.infer<S> | undefined {
  try {
    return schema.parse(JSON.parse(String(text)));
  } catch {
    return undefined;
  }
}

/** Keeps what a broken row held, for people; who found it takes it out of its table. */
export function putAside(database: DatabaseSync, source: string, row: object): void {
  database
    .prepare("INSERT INTO broken_rows (source, row, at) VALUES (?, ?, ?)")
    .run(source, JSON.stringify(row), Date.now());
}

/** How many rows were put aside, by this version and earlier ones. */
export function countAside(database: DatabaseSync): number {
  return Number(database.prepare("SELECT count(*) AS n FROM broken_rows").get()?.n);
}
