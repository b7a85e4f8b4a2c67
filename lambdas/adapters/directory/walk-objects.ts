import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { ListedObject } from "../../ports/staging.ts";
import { compareKeys } from "../../ports/staging-key.ts";
import { isMissing } from "./errno.ts";
import { readName } from "./key-file-name.ts";

/** An object's file, which may be gone by the time it is looked at. */
export type ObjectFile = { key: string; file: string };

/** What a level holds, in key order: a level counts as `name/`, which sorts after `name-` and `name.`. */
export async function readLevel(level: string): Promise<{ name: string; part: string; object: boolean }[]> {
  const entries = await readdir(level, { withFileTypes: true }).catch((error) => {
    if (isMissing(error)) return [];
    throw error;
  });
  return entries
    .flatMap((entry) => {
      const read = readName(entry.name);
      const fits = read?.object ? entry.isFile() : entry.isDirectory();
      return read && fits ? [{ ...read, name: entry.name, sort: Buffer.from(sortPart(read)) }] : [];
    })
    .sort((a, b) => Buffer.compare(a.sort, b.sort));
}

/**
 * Objects of a level and those beneath it, in key order.
 * @param prefix of the level's keys
 * @param rest with which names in this level begin
 * @param after only those behind this key
 */
export async function* walkLevel(
  level: string,
  prefix: string,
  rest: string,
  after?: string,
): AsyncGenerator<ObjectFile> {
  for (const { name, part, object } of await readLevel(level)) {
    if (!part.startsWith(rest)) continue;
    const file = path.join(level, name);
    const key = prefix + part;
    if (object) {
      if (after === undefined || compareKeys(key, after) > 0) yield { key, file };
    } else if (after === undefined || after.startsWith(`${key}/`) || compareKeys(`${key}/`, after) > 0) {
      yield* walkLevel(file, `${key}/`, "", after);
    }
  }
}

/** What there is of these; those that are gone meanwhile are left out. */
export async function statObjects(entries: ObjectFile[]): Promise<ListedObject[]> {
  const all = await Promise.all(entries.map(({ key, file }) => statObject(key, file)));
  return all.filter((object) => object !== undefined);
}

export async function statObject(key: string, file: string): Promise<ListedObject | undefined> {
  try {
    const { size, mtimeMs } = await stat(file);
    return { key, size, modified: mtimeMs };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function sortPart({ part, object }: { part: string; object: boolean }): string {
  return object ? part : `${part}/`;
}
