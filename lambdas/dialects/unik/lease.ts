import type { DialectCore } from "../core.ts";
import type { Asked } from "./asked.ts";
import { UNIK_LANE } from "./lane.ts";
import { type InstanceRecord, keys, type LeaseRecord, type OfCommand } from "./records.ts";

const RENEW_MS = 30_000;
/** ms after which a lease that nobody renews has ended with the process that held it */
const GONE_MS = 2 * 60_000;
const MOST_AT_ONCE = 100;

export type Lease = { end(): Promise<void> };

/** An instance that goes when its log is not read any more. The lease is there before the first line is. */
export async function leaseOf(
  { core, owner }: Pick<Asked, "core" | "owner">,
  { id }: InstanceRecord,
): Promise<Lease> {
  const renew = () => {
    const data: LeaseRecord = { ...owner, instance: id, at: core.now() };
    return core.records.transact([{ put: { ...keys.lease(id), data } }]);
  };
  await renew();
  const timer = setInterval(() => {
    renew().catch((error: unknown) =>
      core.log.error({ err: error, instance: id }, "a lease could not be renewed"),
    );
  }, RENEW_MS);
  timer.unref();
  return {
    async end() {
      clearInterval(timer);
      await removeLeased(core, { ...owner, instance: id, at: core.now() });
    },
  };
}

/** Removes what the leases stand for that nobody renews. */
export async function endLeases(core: DialectCore): Promise<void> {
  const leases = await core.records.query<LeaseRecord>({ pk: keys.leases, limit: MOST_AT_ONCE });
  for (const { data } of leases) {
    if (core.now() - data.at <= GONE_MS) continue;
    // a user whose queue is full does not keep the others' leases
    await removeLeased(core, data).catch((error: unknown) =>
      core.log.warn({ err: error, instance: data.instance }, "a lease stays until the next round"),
    );
  }
}

/** By a command that stays, whoever dies; the lease goes with its end. */
async function removeLeased(core: DialectCore, { at, ...lease }: LeaseRecord): Promise<void> {
  const { user, edge, instance } = lease;
  const record = await core.records.get<InstanceRecord>(keys.instance(lease, instance));
  if (!record) {
    await core.records.transact([{ delete: keys.lease(instance) }]);
    return;
  }
  const data: OfCommand = { ...lease, does: "removeInstance", instance };
  // looked at again when this has not succeeded
  const again: LeaseRecord = { ...lease, at: Math.max(at, core.now()) };
  await core.dispatch.run<"pod.remove">({
    user,
    edge,
    lane: UNIK_LANE.name,
    operation: "pod.remove",
    input: { pod: record.data.pod },
    admission: "queue",
    wait: { kind: "none" },
    records: (command) => [
      { put: { ...keys.command(command.id), data } },
      { put: { ...keys.lease(instance), data: again } },
    ],
  });
}
