import type { StagedContent } from "#protocol/operations.ts";
import type { Command } from "../ledger/command.ts";
import type { Staging } from "../ports/staging.ts";
import { contentKey } from "../transfers/sent-object.ts";
import { openStaged } from "./staged-content.ts";

type Deps = { staging: Staging };

/**
 * Makes one object under `key` of what the agent staged for a command, in however many objects that lies. The staged
 * one stays; doing it again changes nothing.
 * @param known it is one object, of the size that `content` says
 * @returns its bytes
 * @throws FILE_NOT_FOUND when it is gone
 */
export async function keepStaged(
  deps: Deps,
  command: Command,
  content: StagedContent,
  key: string,
  known = false,
): Promise<number> {
  if (content.chunkBytes === undefined) {
    return deps.staging.copy(contentKey(command, content), key, known ? content.size : undefined);
  }
  const { body } = await openStaged(deps, command, content);
  try {
    return (await deps.staging.put(key, body, { maxBytes: content.size })).size;
  } finally {
    body.destroy();
  }
}

/** Removes the staged objects of content that is kept elsewhere; the rest of its command's stays. */
export async function removeKeptSource(
  { staging }: Deps,
  command: Command,
  content: StagedContent,
): Promise<void> {
  const key = contentKey(command, content);
  await (content.chunkBytes === undefined ? staging.remove(key) : staging.deletePrefix(`${key}/`));
}
