import { PerigeeError } from "#protocol/errors.ts";
import type { PulledImage } from "./image-json.ts";

/** The archive went while it was to be taken: its owner has pushed another, or removed it. */
export class Gone extends PerigeeError {}

/** An entry that is pulled. */
export type Pulled = {
  image: PulledImage;
  /** of its archive, as the hub says */
  bytes: number;
  /** Puts the archive into staging: `bytes` of it. @throws Gone */
  stage(key: string): Promise<{ xxh64: string }>;
};

/** Where a pull takes an image from. */
export type Source = {
  /** The entry of the name, of the owner who is named; without one the own, else the only one. */
  entry(name: string, of: string): Promise<Pulled>;
  close(): void;
};

/** @param users who have an entry of that name */
export function ambiguous(name: string, users: readonly string[]): PerigeeError {
  const names = users.map((user) => `${user}/${name}`).sort();
  return new PerigeeError("AMBIGUOUS_NAME", `'${name}' is ambiguous: ${names.join(", ")}`);
}
