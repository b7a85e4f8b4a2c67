import type { Command } from "../../ledger/command.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { OwnRecords } from "../own-records.ts";
import { buildEnd } from "./build-end.ts";
import { runEndOf } from "./job-state.ts";
import { resultKey } from "./kept.ts";
import { type BuildRecord, keys, type OfCommand, type RunRecord } from "./records.ts";

/** Where the zip of a job's run is kept, before anybody can see that it is done. */
export function keepContent(command: Command): string | undefined {
  const job = jobOf(command);
  return job && resultKey({ user: command.user, uid: job.uid }, job.id, command.id);
}

/** The job that a command runs. */
function jobOf({ operation, group = "", input }: Command): { uid: string; id: number } | undefined {
  if (operation !== "job.run") return undefined;
  // both are this dialect's own (submissions.ts)
  const [uid = ""] = group.split("/");
  const { pod } = input as { pod: string };
  return { uid, id: Number(pod.slice(1)) };
}

/** What this dialect writes with the end of a command: of a job's run, a build, or the removal of an image. */
export async function onEnd(records: OwnRecords, command: Command): Promise<Write[]> {
  const job = jobOf(command);
  // begun together, so that they are one request to DynamoDB
  const [named, item] = await Promise.all([
    records.get<OfCommand>(keys.ofCommand(command.id)),
    job && records.get<RunRecord>(keys.run(job.uid, job.id)),
  ]);
  const of = named?.data;
  if (!of) return [];
  const done: Write = { delete: keys.ofCommand(command.id) };
  if ("job" in of) {
    if (item?.data.command !== command.id) return [done];
    const data: RunRecord = { ...item.data, end: runEndOf(item.data, command) };
    return [done, { put: { ...keys.run(of.uid, of.job), data }, if: item.rev }];
  }
  if ("build" in of) {
    const item = await records.get<BuildRecord>(keys.build(of.uid, of.build));
    return item ? [done, ...(await buildEnd(records, of.uid, item, command))] : [done];
  }
  const removed = command.state === "succeeded" || command.failure?.code === "IMAGE_NOT_FOUND";
  return removed ? [done, { delete: keys.gone(of.uid, of.gone) }] : [done];
}
