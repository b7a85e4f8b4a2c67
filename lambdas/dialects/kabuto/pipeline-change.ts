import type { Item, Write } from "../../ports/ledger-store.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import { findObject } from "./objects.ts";
import type { Owner } from "./owner.ts";
import { keys, type PipelineRecord } from "./records.ts";
import { refusal } from "./refusals.ts";
import { completeSubmission } from "./submissions.ts";

/** Decides how a pipeline is after a change, and what is written with it; null: it is gone. */
export type Change<T, B> = (
  pipeline: PipelineRecord,
  beside: B,
) => Promise<{ pipeline: PipelineRecord | null; writes?: Write[]; value: T }>;

/**
 * Changes a pipeline, or jobs of it. Each change writes the pipeline's record, on condition of what was read: so they
 * follow one another, and none falls between the decision of a submission and its commands.
 * @param of `beside` is what the change needs too: read with the pipeline, in one request
 * @param change decides only: it is called again when another change was faster
 * @throws `unknown` as a refusal when there is no such pipeline
 */
export function changePipeline<T, B = undefined>(
  core: DialectCore,
  owner: Owner,
  of: { id: number | undefined; unknown: string; beside?: () => Promise<B> },
  change: Change<T, B>,
): Promise<T> {
  return optimistically(async () => {
    const [item, beside] = await Promise.all([settledPipeline(core, owner, of.id), of.beside?.()]);
    if (!item) throw refusal(of.unknown);
    const { pipeline, writes = [], value } = await change(item.data, beside as B);
    const key = keys.object(owner.uid, "pipeline", item.data.id);
    const write: Write = pipeline
      ? { put: { ...key, data: pipeline }, if: item.rev }
      : { delete: key, if: item.rev };
    await core.records.transact([write, ...writes]);
    return value;
  });
}

/** A pipeline whose submissions are queued: one that a crash interrupted is completed first. */
export async function settledPipeline(
  core: DialectCore,
  owner: Owner,
  id: number | undefined,
): Promise<Item<PipelineRecord> | undefined> {
  const item = await findObject(core.records, owner.uid, "pipeline", id);
  if (!item?.data.pending) return item;
  await completeSubmission(core, owner, item.data).catch(() => undefined);
  return findObject(core.records, owner.uid, "pipeline", id);
}
