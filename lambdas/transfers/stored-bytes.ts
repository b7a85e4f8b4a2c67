import type { StagedContent } from "#protocol/operations.ts";
import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";
import { chunksOf } from "./chunk-objects.ts";
import { contentKey } from "./sent-object.ts";

/** Bytes that lie in staging of a command's content; of one in chunks those that follow each other from the first. */
export async function storedBytes(
  staging: Staging,
  command: Command,
  content: StagedContent,
): Promise<number | undefined> {
  const key = contentKey(command, content);
  if (content.chunkBytes === undefined) return (await staging.head(key))?.size;
  let bytes = 0;
  let number = 0;
  for await (const chunk of chunksOf(staging, key)) {
    if (chunk.number !== ++number || bytes !== (number - 1) * content.chunkBytes) return undefined;
    bytes += chunk.size;
  }
  return bytes;
}

/** Is a command's content still there? Chunks go together: the first tells. */
export async function isStaged(staging: Staging, command: Command, content: StagedContent): Promise<boolean> {
  const key = contentKey(command, content);
  if (content.chunkBytes === undefined) return (await staging.head(key)) !== undefined;
  for await (const _ of chunksOf(staging, key, 1, 1)) return true;
  return false;
}
