import { randomUUID } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { json } from "../../http/json-answer.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { deleteJobs } from "./delete-jobs.ts";
import { attachmentSink, extendInbox, firstInbox } from "./inbox.ts";
import { useAfter, useOf } from "./job-bounds.ts";
import { imageFor, jobParameters } from "./job-parameters.ts";
import { isBusy, type KnownJob, stateOf } from "./job-state.ts";
import { jobsView } from "./job-view.ts";
import { inboxOf } from "./kept.ts";
import { jobsOf, knownJobs, knownJobsOf } from "./known-jobs.ts";
import { counterWrite, findObject, idOf, MOST, readCounter } from "./objects.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { type Attachment, type Given, readParameters } from "./parameters.ts";
import { type Change, changePipeline, settledPipeline } from "./pipeline-change.ts";
import { queryOf } from "./query.ts";
import { type JobRecord, keys, type PipelineRecord } from "./records.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { replayOf } from "./replay.ts";
import { resultAnswer } from "./results.ts";
import { skipBehind } from "./skip-behind.ts";
import { waitMs } from "./wait.ts";

/** Jobs of one pipeline. */
const MOST_IN_PIPELINE = 100;

/** POST /pipeline/<p>/job */
export async function postJob(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const pipeline = await findObject(core.records, owner.uid, "pipeline", idOf(c.req.param("pipeline")));
  if (!pipeline) throw refusal(TEXTS.noPipeline);
  const token = randomUUID();
  try {
    const { given, attachments } = await readWithFiles(c, core, owner, pipeline.data.edge, token);
    const parameters = jobParameters(given, core);
    const image = await imageFor(core, owner.uid, pipeline.data, idOf(given.get("image_id")));
    const listed = attachments.length > 0 && (await firstInbox(core, owner, token, attachments));
    const replay = replayOf(c, core, owner.uid, { given, attachments });
    const beside = () => Promise.all([replay.find(), readCounter(core.records, owner.uid, "job")]);
    const of = { id: pipeline.data.id, unknown: TEXTS.noPipeline, beside };
    type Made = { answer: object; isNew: boolean };
    const change: Change<Made, Awaited<ReturnType<typeof beside>>> = async (current, [earlier, counter]) => {
      if (earlier) return { pipeline: current, value: { answer: earlier, isNew: false } };
      if (current.jobs.length >= MOST_IN_PIPELINE) throw refusal(TEXTS.fullPipeline);
      if (counter.used >= MOST.job) throw refusal(TEXTS.tooManyJobs);
      const job: JobRecord = {
        id: counter.id,
        pipeline: current.id,
        image: image.id,
        command: null,
        createdAt: core.now(),
        token,
        maxMinutes: null,
        node: null,
        ...parameters,
        ...(listed && { attachments: listed }),
      };
      const use = useAfter(counter, useOf(), useOf(job));
      const writes = [
        { put: { ...keys.object(owner.uid, "job", job.id), data: job }, if: 0 },
        counterWrite(owner.uid, "job", counter, { given: true, used: counter.used + 1, ...use }),
        ...replay.write({ id: job.id }),
      ];
      const value = { answer: { id: job.id }, isNew: true };
      return { pipeline: { ...current, jobs: [...current.jobs, job.id] }, writes, value };
    };
    const made = () => changePipeline(core, owner, of, change);
    const { answer, isNew } = await core.records.inTurn(`job ${owner.uid}`, made);
    if (!isNew) await core.staging.deletePrefix(inboxOf(owner, token));
    return json(answer);
  } catch (error) {
    await core.staging.deletePrefix(inboxOf(owner, token)).catch(() => undefined);
    throw error;
  }
}

/** PUT /pipeline/<p>/job/<j>: files are added; one of the same name takes its place. */
export async function putJob(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const { known, pipeline } = await meantJob(c, core, owner, TEXTS.jobToUpdate);
  if (isBusy(known)) throw refusal(TEXTS.jobBusy);
  const { token, id } = known.job;
  const { given, attachments, drop } = await readWithFiles(c, core, owner, pipeline.edge, token);
  const changed = await changeJob(core, owner, { pipeline, id, given, attachments });
  if (changed.refused) await drop();
  for (const key of changed.unneeded) await core.staging.deletePrefix(key).catch(() => undefined);
  if (changed.refused) throw changed.refused;
  return json({ id });
}

type JobChange = {
  pipeline: PipelineRecord;
  id: number;
  given: Given;
  attachments: Attachment[];
};

/** `unneeded`: objects that are needed no more; `refused`: why nothing was changed. */
type ChangedJob = { unneeded: string[]; refused?: PerigeeError };

/** @throws what leaves open whether it was changed */
async function changeJob(core: DialectCore, owner: Owner, change: JobChange): Promise<ChangedJob> {
  // lists of files that were stored, one for each try
  const lists: string[] = [];
  try {
    const replaced = await writeJob(core, owner, change, (list) => lists.push(list));
    return { unneeded: [...replaced, ...lists.slice(0, -1)] };
  } catch (error) {
    if (error instanceof PerigeeError) return { unneeded: lists, refused: error };
    throw error;
  }
}

/** @returns the objects that are needed no more */
async function writeJob(
  core: DialectCore,
  owner: Owner,
  { pipeline, id, given, attachments }: JobChange,
  stored: (list: string) => void,
): Promise<string[]> {
  const parameters = jobParameters(given, core);
  const named = given.get("image_id");
  const image = named === undefined ? undefined : await imageFor(core, owner.uid, pipeline, idOf(named));
  const of = { id: pipeline.id, unknown: TEXTS.jobToUpdate };
  return changePipeline(core, owner, of, async (current) => {
    const [now] = await knownJobsOf(core, owner, current, [id]);
    if (!now) throw refusal(TEXTS.jobToUpdate);
    if (isBusy(now)) throw refusal(TEXTS.jobBusy);
    const listed = attachments.length > 0 ? await extendInbox(core, owner, now.job, attachments) : undefined;
    if (listed) stored(`${inboxOf(owner, now.job.token)}${listed.attachments.list}`);
    const job: JobRecord = {
      ...now.job,
      ...parameters,
      ...(image && { image: image.id }),
      ...(listed && { attachments: listed.attachments }),
    };
    const counter = await readCounter(core.records, owner.uid, "job");
    const use = useAfter(counter, useOf(now.job), useOf(job));
    const writes: Write[] = [
      { put: { ...keys.object(owner.uid, "job", id), data: job } },
      counterWrite(owner.uid, "job", counter, { used: counter.used, ...use }),
    ];
    return { pipeline: current, writes, value: listed?.replaced ?? [] };
  });
}

/** GET /pipeline/<p>/job, /pipeline/<p>/job/<j>, and with `result` its zip. */
export async function getJobs(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const job = c.req.param("job");
  if (job === undefined) {
    const item = await findObject(core.records, owner.uid, "pipeline", idOf(c.req.param("pipeline")));
    if (!item) return json({});
    const jobs = await jobsOf(core, owner, item.data);
    jobs.sort((a, b) => a.id - b.id);
    const all = new Map([[item.data.id, item.data]]);
    return json(await jobsView(core, await knownJobs(core, owner, jobs, all), all));
  }
  const result = queryOf(c).has("result");
  const until = core.now() + waitMs(c);
  let before: string | undefined;
  for (;;) {
    const meant = await findJob(c, core, owner);
    if (!meant) {
      if (result) throw refusal(TEXTS.noJob);
      return json({});
    }
    if (result) return resultAnswer(c, core, owner, meant.known);
    const { command, job: shown } = meant.known;
    const state = stateOf(meant.known);
    const left = until - core.now();
    if (left <= 0 || !command || state !== (before ?? state)) {
      const view = await jobsView(core, [meant.known], new Map([[shown.pipeline, meant.pipeline]]));
      return json(view);
    }
    before = state;
    await core.commands.forChange(command, left);
  }
}

/** DELETE /pipeline/<p>/job/<j>: a running one is killed first. */
export async function deleteJob(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const { known, pipeline } = await meantJob(c, core, owner, TEXTS.jobToDelete);
  if (stateOf(known) === "in_queue") throw refusal(TEXTS.jobInQueue);
  if (known.command) await kill(core, owner, known.command.id);
  const of = { id: pipeline.id, unknown: TEXTS.jobToDelete };
  const gone = await changePipeline(core, owner, of, async (current) => {
    const jobs = await knownJobsOf(core, owner, current, [known.job.id]);
    if (jobs.length === 0) throw refusal(TEXTS.jobToDelete);
    if (jobs.some((one) => stateOf(one) === "in_queue")) throw refusal(TEXTS.jobInQueue);
    const { writes } = await deleteJobs.writes(core, owner, jobs);
    const left = current.jobs.filter((id) => id !== known.job.id);
    return { pipeline: { ...current, jobs: left }, writes, value: jobs };
  });
  await deleteJobs.objects(core, owner, gone);
  return json({ message: "Successfully deleted job" });
}

/** GET, POST /pipeline/<p>/job/<j>/kill */
export async function killJob(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const { known } = await meantJob(c, core, owner, TEXTS.jobToUpdate);
  if (stateOf(known) !== "running") throw refusal(TEXTS.notRunning);
  await kill(core, owner, known.command!.id);
  return json({ message: "Success" });
}

/** POST /pipeline/<p>/job/<j>/cancel */
export async function cancelJob(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  let { known, pipeline } = await meantJob(c, core, owner, TEXTS.jobToUpdate);
  if (known.pending) {
    // decided, and its command is still to be queued: that is done first
    await settledPipeline(core, owner, pipeline.id);
    ({ known, pipeline } = await meantJob(c, core, owner, TEXTS.jobToUpdate));
  }
  if (!known.command) throw refusal(TEXTS.notCancellable);
  const { state } = known.command;
  await core.dispatch.cancel(owner.user, known.command.id).catch(ended);
  // the edge never learns of one that waited here: what it would skip is skipped here
  if (state === "queued" && pipeline.onFailure === "stop") await skipBehind(core, owner, pipeline, known);
  return json({ message: "Success" });
}

async function kill(core: DialectCore, { user }: Owner, command: string): Promise<void> {
  await core.dispatch.cancel(user, command, { kill: true }).catch(ended);
}

/** It ended meanwhile, which changes nothing. */
function ended(error: unknown): void {
  if ((error as { code?: unknown }).code !== "NOT_CANCELLABLE") throw error;
}

async function readWithFiles(
  c: DialectContext,
  core: DialectCore,
  owner: Owner,
  edge: string,
  token: string,
) {
  const isForm = (c.req.header("content-type") ?? "").toLowerCase().startsWith("multipart/");
  if (!isForm) return { ...(await readParameters(c)), attachments: [] as Attachment[], drop: async () => {} };
  const left = () => core.bytesLeft(owner.user, edge);
  const sink = attachmentSink(core, owner, token, Math.max(0, await left()));
  const { given, attachments } = await readParameters(c, sink).catch(async (error: unknown) => {
    await sink.drop();
    throw error;
  });
  const numbered = sink.numbered(attachments);
  // of several requests at once that together take too much, each sees the others now
  if (numbered.length > 0 && (await left()) < 0) {
    await sink.drop();
    throw byteQuotaExceeded();
  }
  return { given, attachments: numbered, drop: () => sink.drop() };
}

type Meant = { known: KnownJob; pipeline: PipelineRecord };

/** The job in the path. @throws `unknown` as a refusal */
async function meantJob(c: DialectContext, core: DialectCore, owner: Owner, unknown: string): Promise<Meant> {
  const meant = await findJob(c, core, owner);
  if (!meant) throw refusal(unknown);
  return meant;
}

async function findJob(c: DialectContext, core: DialectCore, owner: Owner): Promise<Meant | undefined> {
  const [pipeline, job] = await Promise.all([
    findObject(core.records, owner.uid, "pipeline", idOf(c.req.param("pipeline"))),
    findObject(core.records, owner.uid, "job", idOf(c.req.param("job"))),
  ]);
  if (!pipeline || !job || job.data.pipeline !== pipeline.data.id) return undefined;
  const [known] = await knownJobs(core, owner, [job.data], new Map([[pipeline.data.id, pipeline.data]]));
  return { known: known!, pipeline: pipeline.data };
}
