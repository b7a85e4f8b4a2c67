import type { StagedContent } from "#protocol/operations.ts";
import type { Command } from "../../ledger/command.ts";
import type { Write } from "../../ports/ledger-store.ts";
import type { DialectCore } from "../core.ts";
import type { OwnRecords } from "../own-records.ts";
import { buildEnd } from "./build-end.ts";
import { endOf } from "./job-state.ts";
import { type BuildRecord, keys, type OfCommand, type RunRecord } from "./records.ts";
import { keepResult } from "./results.ts";

/** The zip of a job's run is kept before anybody can see that it is done. */
export async function beforeEnd(core: DialectCore, command: Command, result: unknown): Promise<void> {
  const of = (await core.records.get<OfCommand>(keys.ofCommand(command.id)))?.data;
  const { content } = (result ?? {}) as { content?: StagedContent };
  if (!of || !("job" in of) || !content) return;
  await keepResult(core, { user: command.user, uid: of.uid }, of.job, { command, content });
}

/** What this dialect writes with the end of a command: of a job's run, a build, or the removal of an image. */
export async function onEnd(records: OwnRecords, command: Command): Promise<Write[]> {
  const of = (await records.get<OfCommand>(keys.ofCommand(command.id)))?.data;
  if (!of) return [];
  const done: Write = { delete: keys.ofCommand(command.id) };
  if ("job" in of) {
    const item = await records.get<RunRecord>(keys.run(of.uid, of.job));
    if (item?.data.command !== command.id) return [done];
    const { content } = (command.result ?? {}) as { content?: StagedContent };
    const data: RunRecord = { ...item.data, end: endOf(command, content?.size ?? null) };
    return [done, { put: { ...keys.run(of.uid, of.job), data }, if: item.rev }];
  }
  if ("build" in of) {
    const item = await records.get<BuildRecord>(keys.build(of.uid, of.build));
    return item ? [done, ...(await buildEnd(records, of.uid, item, command))] : [done];
  }
  const removed = command.state === "succeeded" || command.failure?.code === "IMAGE_NOT_FOUND";
  return removed ? [done, { delete: keys.gone(of.uid, of.gone) }] : [done];
}
