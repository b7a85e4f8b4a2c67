import type { StagedFile } from "#protocol/operations.ts";
import { type FieldName, VOLUME_FIELDS } from "../fields/field-names.ts";
import { invalid, textField } from "../fields/form-values.ts";
import { pathInVolume } from "../fields/path-rules.ts";
import type { Fields } from "../http/fields.ts";

/** Fields that an uplink knows; others are ignored. */
export const UPLINK_FIELDS: readonly FieldName[] = [...VOLUME_FIELDS, "dest_path"];

/** The directory that `dest_path` names, "" for the volume's root. @throws INVALID_PARAMETERS, ILLEGAL_PATH */
export function destination(fields: Fields): string {
  return pathInVolume("dest_path", textField(fields, "dest_path") ?? "");
}

/** Where a file goes: its own name, with the directories in it, under dest_path. */
export function target(fields: Fields, name: string): string {
  if (name.startsWith("/")) return pathInVolume("files", name);
  const path = pathInVolume("files", `${destination(fields)}/${name}`.replace(/^\//, ""));
  if (path === "" || /(?:^|\/)\.{0,2}$/.test(name)) {
    throw invalid("files", `${JSON.stringify(name)} names no file`);
  }
  return path;
}

/**
 * The manifest: of files with one target the last counts, as if they had been written one after another.
 * @throws INVALID_PARAMETERS when a file would have to be a directory for another
 */
export function placed(
  fields: Fields,
  received: (Omit<StagedFile, "path"> & { name: string })[],
): StagedFile[] {
  const byPath = new Map<string, StagedFile>();
  for (const { n, name, size, xxh64 } of received) {
    const path = target(fields, name);
    byPath.set(path, { n, path, size, xxh64 });
  }
  for (const path of byPath.keys()) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      const directory = path.slice(0, slash);
      if (byPath.has(directory)) {
        throw invalid("files", `${JSON.stringify(directory)} is a file and a directory of another file`);
      }
    }
  }
  return [...byPath.values()];
}
