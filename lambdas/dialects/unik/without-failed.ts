import type { Asked } from "./asked.ts";
import { UNIK_LANE } from "./lane.ts";
import { type InstanceRecord, keys, type OfCommand } from "./records.ts";

/** ms for which the removal is waited for: it is done all the same when the edge takes it later. */
const MOST_MS = 15_000;

/** Removes an instance that could not be started, and waits until nothing of it is left, though not for an edge that is gone. */
export function withoutFailed({ core, owner }: Pick<Asked, "core" | "owner">, { id, pod }: InstanceRecord) {
  const { user, edge } = owner;
  const data: OfCommand = { ...owner, does: "removeInstance", instance: id };
  return core.dispatch.run<"pod.remove">({
    user,
    edge,
    lane: UNIK_LANE.name,
    operation: "pod.remove",
    input: { pod },
    admission: "queue",
    wait: { kind: "most", ms: MOST_MS },
    records: (command) => [{ put: { ...keys.command(command.id), data } }],
  });
}
