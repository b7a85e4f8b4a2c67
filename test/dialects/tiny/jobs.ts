import type { DialectCore } from "#lambdas/dialects/core.ts";
import type { Removal } from "#lambdas/dialects/dialect.ts";
import type { OwnRecords } from "#lambdas/dialects/own-records.ts";
import type { Command } from "#lambdas/ledger/command.ts";
import type { Write } from "#lambdas/ports/ledger-store.ts";
import { notes } from "./notes.ts";

/** Jobs have whole numbers for their users, which Perigee's commands do not. */
export type Job = { number: number; command: string; state: string };

const counter = (user: string) => ({ pk: `counter#${user}`, sk: "jobs" });
const job = (user: string, command: string) => ({ pk: `jobs#${user}`, sk: command });

/** Submits a job: its number and its command are written together. */
export async function submitJob(core: DialectCore, user: string, edge: string): Promise<Job | undefined> {
  const { command } = await core.dispatch.run({
    user,
    edge,
    lane: "tiny",
    operation: "nodes.status",
    input: {},
    admission: "queue",
    wait: { kind: "none" },
    async records({ id }): Promise<Write[]> {
      const last = await core.records.get<{ number: number }>(counter(user));
      const number = (last?.data.number ?? 0) + 1;
      return [
        { put: { ...counter(user), data: { number } }, if: last?.rev ?? 0 },
        { put: { ...job(user, id), data: { number, command: id, state: "waiting" } }, if: 0 },
      ];
    },
  });
  return (await core.records.get<Job>(job(user, command.id)))?.data;
}

export async function jobsOf(core: DialectCore, user: string): Promise<Job[]> {
  const items = await core.records.query<Job>({ pk: job(user, "").pk, limit: 100 });
  return items.map(({ data }) => data);
}

/** The end of a job's command is its own, in one transaction. */
export async function onEnd(records: OwnRecords, { user, id, state }: Command): Promise<Write[]> {
  const known = await records.get<Job>(job(user, id));
  return known ? [{ put: { ...job(user, id), data: { ...known.data, state } }, if: known.rev }] : [];
}

/** What goes with a user, or with a grant of theirs. */
export async function removed(core: DialectCore, { user, edge }: Removal): Promise<void> {
  if (edge !== undefined) {
    await core.records.transact([{ put: { pk: "revoked", sk: `${user}@${edge}`, data: {} } }]);
    return;
  }
  const items = await core.records.query({ pk: job(user, "").pk, limit: 20 });
  await core.records.transact([
    ...items.map(({ pk, sk }): Write => ({ delete: { pk, sk } })),
    { delete: counter(user) },
  ]);
  await core.staging.deletePrefix(`${notes}/${user}/`);
}
