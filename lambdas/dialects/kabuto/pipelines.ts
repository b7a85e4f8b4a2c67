import { commaList } from "#protocol/comma-list.ts";
import { json } from "../../http/json-answer.ts";
import { optimistically } from "../../ports/optimistically.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { dateOf } from "./dates.ts";
import { deleteJobs } from "./delete-jobs.ts";
import { isBusy, stateOf } from "./job-state.ts";
import { knownJobsOf } from "./known-jobs.ts";
import { counterWrite, findObject, idOf, listObjects, MOST, readCounter } from "./objects.ts";
import { type Owner, ownerOf } from "./owner.ts";
import { atMost, type Given, readParameters, required } from "./parameters.ts";
import { changePipeline, settledPipeline } from "./pipeline-change.ts";
import { keys, type OnFailure, type PipelineRecord } from "./records.ts";
import { parameterError, refusal, TEXTS } from "./refusals.ts";
import { replayOf } from "./replay.ts";
import { submitPipeline } from "./submissions.ts";

const NAME = 128;

/** POST /pipeline */
export async function postPipeline(c: DialectContext, core: DialectCore): Promise<Response> {
  const { user, uid } = ownerOf(c);
  const { given } = await readParameters(c);
  const name = atMost("name", required(given, ["name"]).name, NAME);
  const onFailure = onFailureOf(given) ?? "continue";
  const edge = await core.resolveEdge(user, c.req.header("perigee-edge"));
  const replay = replayOf(c, core, uid, { given });
  const make = async () => {
    const earlier = await replay.find();
    if (earlier) return earlier;
    const counter = await readCounter(core.records, uid, "pipeline");
    if (counter.used >= MOST.pipeline) throw refusal(TEXTS.tooManyPipelines);
    const data: PipelineRecord = { id: counter.id, name, createdAt: core.now(), edge, onFailure, jobs: [] };
    await core.records.transact([
      { put: { ...keys.object(uid, "pipeline", counter.id), data }, if: 0 },
      counterWrite(uid, "pipeline", counter, { given: true, used: counter.used + 1 }),
      ...replay.write({ id: counter.id }),
    ]);
    return { id: counter.id };
  };
  return json(await core.records.inTurn(`pipeline ${uid}`, () => optimistically(make)));
}

/** GET /pipeline, /pipeline/<id> */
export async function getPipelines(c: DialectContext, core: DialectCore): Promise<Response> {
  const { uid } = ownerOf(c);
  const named = c.req.param("pipeline");
  if (named === undefined) return json(mapOf(await listObjects(core.records, uid, "pipeline")));
  const item = await findObject(core.records, uid, "pipeline", idOf(named));
  return json(mapOf(item ? [item.data] : []));
}

/** DELETE /pipeline/<id>: with its jobs. */
export async function deletePipeline(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const of = { id: idOf(c.req.param("pipeline")), unknown: TEXTS.pipelineToDelete };
  for (;;) {
    // as many jobs as a transaction holds; the pipeline goes with the last of them
    const jobs = await changePipeline(core, owner, of, async (pipeline) => {
      const known = await knownJobsOf(core, owner, pipeline);
      if (known.some((one) => isBusy(one))) throw refusal(TEXTS.pipelineInUse);
      const { gone, left, writes } = await deleteJobs.writes(core, owner, known);
      if (left.length > 0) {
        return { pipeline: { ...pipeline, jobs: left }, writes, value: { gone, last: false } };
      }
      const counter = await readCounter(core.records, owner.uid, "pipeline");
      const freed = counterWrite(owner.uid, "pipeline", counter, { used: counter.used - 1 });
      return { pipeline: null, writes: [...writes, freed], value: { gone, last: true } };
    });
    await deleteJobs.objects(core, owner, jobs.gone);
    if (jobs.last) return json({ status: "Successfully deleted the pipeline" });
  }
}

/** PUT /pipeline/<id>: name, then removal, then order. */
export async function putPipeline(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const id = idOf(c.req.param("pipeline"));
  const of = { id, unknown: TEXTS.imageToUpdate };
  if (!(await findObject(core.records, owner.uid, "pipeline", id))) throw refusal(of.unknown);
  const { given } = await readParameters(c);
  const answer: Record<string, string> = {};
  const onFailure = onFailureOf(given);
  const name = given.get("name");
  if (name !== undefined || onFailure !== undefined) {
    if (name !== undefined) atMost("name", name, NAME);
    await changePipeline(core, owner, of, async (pipeline) => ({
      pipeline: { ...pipeline, ...(name !== undefined && { name }), ...(onFailure && { onFailure }) },
      value: undefined,
    }));
    if (name !== undefined) answer.name = "Successfully updated name";
  }
  const removed = given.get("remove_jobs");
  if (removed !== undefined) answer.remove_jobs = await removeJobs(core, owner, of, commaList(removed));
  const order = given.get("rearrange_jobs");
  if (order !== undefined) answer.rearrange_jobs = await rearrange(core, owner, of, commaList(order));
  if (onFailure !== undefined) answer.on_failure = "Successfully updated on_failure";
  return json(answer);
}

/** POST /pipeline/<id>/submit */
export async function postSubmit(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const item = await findObject(core.records, owner.uid, "pipeline", idOf(c.req.param("pipeline")));
  if (!item) throw refusal(TEXTS.noPipeline);
  const { given } = await readParameters(c);
  const replay = replayOf(c, core, owner.uid, { given });
  const order = await core.orderOf(c, owner.user);
  return json(await submitPipeline(core, owner, item, { replay, order }));
}

/** POST /pipeline/<id>/cancel: every queued or running job of it. */
export async function postCancel(c: DialectContext, core: DialectCore): Promise<Response> {
  const owner = ownerOf(c);
  const item = await settledPipeline(core, owner, idOf(c.req.param("pipeline")));
  if (!item) throw refusal(TEXTS.noPipeline);
  for (const { command } of (await knownJobsOf(core, owner, item.data)).reverse()) {
    // from the last on: none is given a place that another one leaves
    if (command) await core.dispatch.cancel(owner.user, command.id).catch(() => undefined);
  }
  const known = await knownJobsOf(core, owner, item.data);
  return json(Object.fromEntries(known.map((one) => [one.job.id, stateOf(one)])));
}

type Of = { id: number | undefined; unknown: string };

async function removeJobs(core: DialectCore, owner: Owner, of: Of, ids: readonly string[]): Promise<string> {
  for (;;) {
    const { gone, busy, more } = await changePipeline(core, owner, of, async (pipeline) => {
      const meant = new Set(ids);
      const known = (await knownJobsOf(core, owner, pipeline)).filter(({ job }) => meant.has(String(job.id)));
      const busy = known.filter((one) => isBusy(one)).map(({ job }) => String(job.id));
      if (busy.length > 0) return { pipeline, value: { gone: [], busy, more: false } };
      const { gone, left, writes } = await deleteJobs.writes(core, owner, known);
      const taken = new Set(gone.map(({ job }) => job.id));
      const jobs = pipeline.jobs.filter((id) => !taken.has(id));
      return { pipeline: { ...pipeline, jobs }, writes, value: { gone, busy, more: left.length > 0 } };
    });
    await deleteJobs.objects(core, owner, gone);
    if (busy.length > 0) return `Could not remove jobs. ${listed(busy)} are queued or running`;
    if (!more) return "Successfully removed jobs";
  }
}

function rearrange(core: DialectCore, owner: Owner, of: Of, ids: readonly string[]): Promise<string> {
  return changePipeline(core, owner, of, async (pipeline) => {
    const current = pipeline.jobs.map(String);
    if (listed(ids) !== listed(current)) {
      const value = `Could not rearrange jobs. rearrange ids are ${listed(ids)} while current ids are ${listed(current)}`;
      return { pipeline, value };
    }
    // that text for rearranging too
    return { pipeline: { ...pipeline, jobs: ids.map(Number) }, value: "Successfully removed jobs" };
  });
}

/** Sorted as texts: `[1, 10, 2]`. */
function listed(ids: readonly string[]): string {
  return `[${[...ids].sort().join(", ")}]`;
}

function onFailureOf(given: Given): OnFailure | undefined {
  const value = given.get("on_failure")?.toLowerCase();
  if (value === undefined || value === "continue" || value === "stop") return value;
  throw parameterError("on_failure", "must be continue or stop");
}

function mapOf(pipelines: readonly PipelineRecord[]) {
  return Object.fromEntries(
    pipelines.map(({ id, name, createdAt, jobs, onFailure }) => [
      id,
      {
        id,
        name,
        creation_date: dateOf(createdAt),
        jobs: jobs.map((job) => ({ id: job })),
        on_failure: onFailure,
      },
    ]),
  );
}
