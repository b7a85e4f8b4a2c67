import type { DialectCore } from "../core.ts";
import { dateOf } from "./dates.ts";
import { type KnownJob, reasonOf, stateOf } from "./job-state.ts";
import type { PipelineRecord } from "./records.ts";
import { textOf } from "./stored-text.ts";

/** The map of jobs that answers hold. */
export async function jobsView(
  core: Pick<DialectCore, "commands">,
  known: readonly KnownJob[],
  pipelines: ReadonlyMap<number, PipelineRecord>,
): Promise<object> {
  const contacts = new Map<string, Promise<boolean>>();
  const contact = (edge: string) => {
    const asked = contacts.get(edge) ?? core.commands.inContact(edge);
    contacts.set(edge, asked);
    return asked;
  };
  const views = await Promise.all(
    known.map(async (one) => {
      const waits = stateOf(one) === "in_queue";
      const edge = pipelines.get(one.job.pipeline)?.edge ?? one.run?.edge ?? "";
      // begun together, so that they are one request to DynamoDB
      const [inContact, ahead] = await Promise.all([
        !waits || contact(edge),
        one.command?.state === "queued" ? core.commands.ahead(one.command) : undefined,
      ]);
      return [one.job.id, jobView(one, inContact, ahead)] as const;
    }),
  );
  return Object.fromEntries(views);
}

function jobView(known: KnownJob, inContact: boolean, ahead: number | undefined): object {
  const { job, run, pending } = known;
  // a new run that is decided but not yet queued shows nothing of the one before
  const end = pending ? undefined : run?.end;
  const { cpuMs = 0, memoryBytes = 0, ioBytes = 0 } = end?.used ?? {};
  const pendingRun = pending ? (run?.run ?? 0) + 1 : (run?.run ?? 0);
  return {
    id: job.id,
    command: job.command === null ? null : textOf(job.command),
    state: stateOf(known),
    creation_date: dateOf(job.createdAt),
    response: end ? end.response : null,
    used_cpu: twoDecimals(cpuMs / 1000),
    used_memory: twoDecimals(memoryBytes / 1024 ** 2),
    used_io: twoDecimals(ioBytes / 1024 ** 2),
    attachment_token: job.token,
    results_path: "/outbox",
    image: { id: job.image },
    pipeline: { id: job.pipeline },
    run: pendingRun,
    submitted: timeOf(pending ? null : run?.submittedAt),
    started: timeOf(end?.startedAt ?? startedOf(known)),
    finished: timeOf(end?.finishedAt),
    reason: reasonOf(known, inContact),
    message: end?.message ?? null,
    position: ahead === undefined ? null : ahead + 1,
    result_size: end?.resultBytes ?? null,
    max_duration: job.maxMinutes,
    node: job.node,
  };
}

/** Of a run that has not ended. */
function startedOf(known: KnownJob): number | undefined {
  return stateOf(known) === "running" ? known.command?.progress?.startedAt : undefined;
}

function twoDecimals(value: number): number {
  return Math.round(value * 100) / 100;
}

function timeOf(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}
