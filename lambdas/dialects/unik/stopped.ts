import { PerigeeError } from "#protocol/errors.ts";
import type { Asked } from "./asked.ts";
import { UNIK_LANE } from "./lane.ts";
import type { InstanceRecord } from "./records.ts";
import { whenEnded } from "./started.ts";

/** Stops an instance that stands in the way of another change. @throws EM_UNREACHABLE, WRONG_STATE when it could not be */
export async function stopped(
  { core, owner }: Pick<Asked, "core" | "owner">,
  instance: InstanceRecord,
): Promise<void> {
  const { user, edge } = owner;
  const answer = await core.dispatch.run<"pod.stop">({
    user,
    edge,
    lane: UNIK_LANE.name,
    operation: "pod.stop",
    input: { pod: instance.pod },
    admission: "queue",
    wait: { kind: "end" },
    patient: true,
  });
  if (answer.kind !== "succeeded") {
    throw new PerigeeError("WRONG_STATE", `instance ${instance.name} could not be stopped`);
  }
  await whenEnded(core, { ...owner, pod: instance.pod, run: instance.run });
}
