import { PerigeeError } from "#protocol/errors.ts";
import type { JobRun } from "#protocol/job-run.ts";
import { inSpace } from "#protocol/names.ts";
import type { CommandOrder } from "../../auth/command-order.ts";
import type { Draft } from "../../ledger/draft.ts";
import type { LaneLook } from "../../ledger/submit-together.ts";
import { ulid } from "../../ledger/ulid.ts";
import type { Item, Write } from "../../ports/ledger-store.ts";
import { EDGE_RACES, optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import { commandOf } from "./command-words.ts";
import { stageInbox } from "./inbox.ts";
import { imageFor, requireImage } from "./job-parameters.ts";
import { isBusy, type KnownJob, stateOf } from "./job-state.ts";
import { knownJobsOf } from "./known-jobs.ts";
import { JOB_LANE, SPACE } from "./lanes.ts";
import { findObject } from "./objects.ts";
import type { Owner } from "./owner.ts";
import { type ImageRecord, keys, type OfCommand, type PipelineRecord, type RunRecord } from "./records.ts";
import { refusal, TEXTS } from "./refusals.ts";
import type { Replay } from "./replay.ts";
import { removeEarlierResults } from "./results.ts";
import { longestMinutes } from "./settings.ts";
import { textOf } from "./stored-text.ts";

/** A job's runs, so that the ids of its log rows stay exact in JSON. */
const MOST_RUNS = 4_096;
const MINUTE_MS = 60_000;
/** Jobs that are tried in one transaction: it holds three records of each, and what is beside them. */
const MOST_TOGETHER = 6;

/**
 * Submits the jobs of a pipeline that are neither queued nor running: in one transaction, where that holds them all.
 * Else what is decided is written into the pipeline's record; its commands follow under an Idempotency-Key of the
 * submission's own, so that whoever comes next completes what a crash interrupted, and nothing twice.
 * @param read the pipeline as the request has read it
 * @returns every job of the pipeline with its state
 */
export async function submitPipeline(
  core: DialectCore,
  owner: Owner,
  read: Item<PipelineRecord>,
  { replay, order }: { replay: Replay; order: CommandOrder },
): Promise<object> {
  const decided = await optimistically<Decided>(async (tries) => {
    const [earlier, item] = await Promise.all([
      replay.find(),
      tries === 0 ? read : findObject(core.records, owner.uid, "pipeline", read.data.id),
    ]);
    // what was promised under its key is not done yet, or may be refused
    const { pending } = item?.data ?? {};
    if (earlier && (pending?.replay === undefined || pending.replay !== replay.sk))
      return { answer: earlier };
    if (!item) throw refusal(TEXTS.noPipeline);
    // the pipeline's edge may have been taken from the user since
    await core.resolveEdge(owner.user, item.data.edge);
    if (item.data.pending) return { pipeline: item.data };
    const [known, look] = await Promise.all([
      knownJobsOf(core, owner, item.data),
      core.dispatch.lookAtLane(item.data.edge, JOB_LANE),
    ]);
    const free = known.filter((one) => !isBusy(one));
    if (free.length === 0) return { answer: statesOf(known) };
    if (free.some(({ run }) => (run?.run ?? 0) >= MOST_RUNS)) throw refusal(TEXTS.tooManyRuns);
    for (const { image } of free) requireImage(image, item.data);
    const runs = free.map(({ job, run }) => ({ job: job.id, run: (run?.run ?? 0) + 1 }));
    const decided = {
      id: ulid(core.now()),
      at: core.now(),
      runs,
      ...(replay.sk && { replay: replay.sk }),
      ...order,
    };
    const data: PipelineRecord = { ...item.data, pending: decided };
    const key = keys.object(owner.uid, "pipeline", data.id);
    const answer = statesOf(known.map((one) => (free.includes(one) ? { ...one, pending: true } : one)));
    // without a condition, so that submissions at once do not keep each other up: the store counts
    const submitted = { put: { ...keys.submitted(owner.uid), data: {} } };
    const beside = [submitted, ...replay.write(answer)];
    const unchanged = { put: { ...key, data: item.data }, if: item.rev };
    if (await submitTogether(core, owner, data, free, { beside: [unchanged, ...beside], look })) {
      return { answer };
    }
    await core.records.transact([{ put: { ...key, data }, if: item.rev }, ...beside]);
    return { pipeline: data, answer, seen: { known: free, rev: item.rev + 1 } };
  }, EDGE_RACES);
  if (!decided.pipeline) return decided.answer;
  await completeSubmission(core, owner, decided.pipeline, decided.seen);
  if (decided.answer) return decided.answer;
  const pipeline = (await findObject(core.records, owner.uid, "pipeline", decided.pipeline.id))?.data;
  return pipeline ? statesOf(await knownJobsOf(core, owner, pipeline)) : {};
}

/**
 * Queues what `pipeline` says that was decided, and writes `beside`, where one transaction holds it all.
 * @param known the jobs as they were seen: their images have to be there still
 * @returns whether it is done
 * @throws ConditionFailed when something was changed meanwhile
 */
async function submitTogether(
  core: DialectCore,
  owner: Owner,
  pipeline: PipelineRecord,
  known: readonly KnownJob[],
  { beside, look }: { beside: readonly Write[]; look: LaneLook },
): Promise<boolean> {
  if (known.length > MOST_TOGETHER) return false;
  const drafts = await Promise.all(
    known.map((one) => {
      const { run = 0 } = one.run ?? {};
      return draftOf(core, owner, pipeline, { run: run + 1, known: one, image: one.image! });
    }),
  );
  const images = new Map(known.map(({ image, imageRev = 0 }) => [image!.id, imageRev]));
  const checks = [...images].map(
    ([id, rev]): Write => ({ check: keys.object(owner.uid, "image", id), if: rev }),
  );
  const commands = await core.dispatch.submitTogether(drafts, [...beside, ...checks], look);
  for (const [i, { job, run }] of known.entries()) {
    if (!commands || !run) continue;
    // what is left the janitor removes
    await removeEarlierResults(core, owner, job.id, commands[i]!.id).catch((error: unknown) => {
      core.log.warn({ err: error }, "results of an earlier run are removed later");
    });
  }
  return commands !== undefined;
}

/** `answer` is there where nothing has to be read for it once the submission of `pipeline` is complete. */
type Decided =
  | { pipeline?: undefined; answer: object; seen?: undefined }
  | { pipeline: PipelineRecord; answer?: object; seen?: Seen };

/** What whoever decided a submission has read of its jobs, and the revision that the pipeline got. */
type Seen = { known: readonly KnownJob[]; rev: number };

function statesOf(known: readonly KnownJob[]): object {
  return Object.fromEntries(known.map((one) => [one.job.id, stateOf(one)]));
}

/**
 * Queues the commands of a submission that was decided, once; a refused one is taken back. While it is pending, its
 * jobs do not change, so who decided it need not read them again (`seen`), nor are their images deleted: those that are
 * gone by now went before it was decided.
 * @throws its refusal
 */
export async function completeSubmission(
  core: DialectCore,
  owner: Owner,
  pipeline: PipelineRecord,
  seen?: Seen,
): Promise<void> {
  const { pending } = pipeline;
  if (!pending) return;
  try {
    await core.resolveEdge(owner.user, pipeline.edge);
    const seenJobs = new Map((seen?.known ?? []).map((one) => [one.job.id, one]));
    const drafts = await Promise.all(
      pending.runs.map(async ({ job, run }) => {
        const before = seenJobs.get(job);
        const known = before ?? (await knownJobsOf(core, owner, pipeline, [job]))[0];
        if (!known) throw refusal(TEXTS.noJob);
        // what was seen was read before the decision
        const image = before
          ? await imageFor(core, owner.uid, pipeline, known.job.image ?? undefined)
          : requireImage(known.image, pipeline);
        return draftOf(core, owner, pipeline, { run, known, image });
      }),
    );
    const key = { key: pending.id, route: "kabuto.submission", digest: pending.id };
    const { commands } = await core.dispatch.submitMany(drafts, key);
    for (const [i, { job, run }] of pending.runs.entries()) {
      if (run > 1) await removeEarlierResults(core, owner, job, commands[i]!.id);
    }
  } catch (error) {
    if (error instanceof PerigeeError) await settle(core, owner, pipeline, { refused: true, rev: seen?.rev });
    throw error;
  }
  await settle(core, owner, pipeline, { rev: seen?.rev });
}

/**
 * The submission is over: queued, or refused, and then its Idempotency-Key answers nothing. `rev` is the revision at
 * which the pipeline is as given, if it was not changed since.
 */
function settle(
  { records }: DialectCore,
  { uid }: Owner,
  pipeline: PipelineRecord,
  { refused = false, rev }: { refused?: boolean; rev: number | undefined },
): Promise<void> {
  return optimistically(async (tries) => {
    const item =
      tries === 0 && rev !== undefined
        ? { data: pipeline, rev }
        : await findObject(records, uid, "pipeline", pipeline.id);
    if (!item?.data.pending || item.data.pending.id !== pipeline.pending?.id) return;
    const { pending, ...data } = item.data;
    const replay = refused ? pending.replay : undefined;
    await records.transact([
      { put: { ...keys.object(uid, "pipeline", data.id), data }, if: item.rev },
      ...(replay === undefined ? [] : [{ delete: { pk: uid, sk: replay } }]),
    ]);
  });
}

async function draftOf(
  core: DialectCore,
  owner: Owner,
  pipeline: PipelineRecord,
  { run, known, image }: { run: number; known: KnownJob; image: ImageRecord },
): Promise<Draft> {
  const { user, uid } = owner;
  const { job, run: before } = known;
  const { id } = job;
  const { priority, expiresAt } = pipeline.pending!;
  const staged = await stageInbox(core, owner, job);
  const { count = 0, bytes = 0 } = job.attachments ?? {};
  const input: JobRun = {
    space: SPACE,
    pod: podOf(id),
    image: image.ref,
    inbox: "/inbox",
    outbox: "/outbox",
    files: { count, bytes },
    envs: {},
    ...(job.command !== null && commandOf(textOf(job.command))),
    ...(job.node && { kind: job.node }),
    maxMs: Math.min(job.maxMinutes ?? longestMinutes(core), longestMinutes(core)) * MINUTE_MS,
    submission: pipeline.pending!.id,
    onFailure: pipeline.onFailure,
  };
  return {
    user,
    edge: pipeline.edge,
    lane: JOB_LANE,
    operation: "job.run",
    input,
    group: `${uid}/${pipeline.id}`,
    ...(priority !== undefined && { priority }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(staged !== undefined && { staged }),
    records({ id: command, createdAt }): Write[] {
      const submission = pipeline.pending!.id;
      const data: RunRecord = { run, command, edge: pipeline.edge, submittedAt: createdAt, submission };
      if (before && before.run < run) data.previous = before.command;
      const of: OfCommand = { uid, job: id };
      return [{ put: { ...keys.run(uid, id), data } }, { put: { ...keys.ofCommand(command), data: of } }];
    },
  };
}

/** Name of a job's pod on the edge, in this API's name space. */
export function podOf(job: number): string {
  return `j${job}`;
}

/** The name by which the ground knows a job's pod. */
export function knownPodOf(job: number): string {
  return inSpace(podOf(job), SPACE);
}
