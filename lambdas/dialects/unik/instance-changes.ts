import { PerigeeError } from "#protocol/errors.ts";
import type { InputOf } from "#protocol/operations.ts";
import { noContent, textAnswer } from "./answers.ts";
import type { Asked, Handle } from "./asked.ts";
import { requireRoom } from "./bounds.ts";
import { change, type Seen } from "./change.ts";
import { bareMount } from "./gone-volume.ts";
import { readHoldings, whole } from "./holdings.ts";
import { type State, stateOf } from "./instance-view.ts";
import { isTrue } from "./json-object.ts";
import { lookup } from "./lookup.ts";
import { missingMount } from "./mount-points.ts";
import { runOf } from "./pod-of.ts";
import { type InstanceRecord, keys } from "./records.ts";
import { whenEnded, whenStarted, whyNotStarted } from "./started.ts";

/** An instance that a changing call means, and its state. */
function meantBy({ named }: Asked, { holdings, runs }: Seen): { instance: InstanceRecord; state: State } {
  const instance = lookup("instance", holdings.instances, named.instance!, true);
  return { instance, state: stateOf(instance, runs.get(instance.run)).State };
}

export const isOpen = (state: State) => state === "running" || state === "pending";

/** `POST /instances/{x}/start`: a new run of the recorded specification */
export const startInstance: Handle = async (asked) => {
  const { core, owner } = asked;
  return change<"pod.run">(
    asked,
    (seen) => {
      const { instance, state } = meantBy(asked, seen);
      if (isOpen(state)) return textAnswer("");
      const bare = instance.mounts.find(({ volume }) => !seen.volumes.some((one) => one.name === volume));
      if (bare) throw new PerigeeError("WRONG_STATE", missingMount(bare.at));
      requireRoom("running", openOnes(seen).length);
      const image = whole(seen.holdings.images).find(({ name }) => name === instance.image)!;
      const { accepted: _, ...same } = instance;
      return {
        operation: "pod.run",
        input: runOf(instance, image.content, seen.volumes),
        of: { ...owner, does: "start", instance: instance.id, before: instance },
        writes: (command) => [
          {
            put: {
              ...keys.instance(owner, instance.id),
              data: { ...same, run: command.id } satisfies InstanceRecord,
            },
          },
        ],
      };
    },
    async (_result, { id, input }) => {
      const { pod } = input as InputOf<"pod.run">;
      const why = whyNotStarted(await whenStarted(core, { ...owner, pod, run: id }));
      if (why !== undefined) throw new PerigeeError("START_FAILED", `instance could not be started: ${why}`);
      return textAnswer("");
    },
    (failure) => {
      const at = bareMount(failure);
      return at === undefined ? failure : { code: "WRONG_STATE", message: missingMount(at) };
    },
  );
};

export function openOnes({ holdings, runs }: Seen): InstanceRecord[] {
  return holdings.instances.filter((one) => isOpen(stateOf(one, runs.get(one.run)).State));
}

/** `POST /instances/{x}/stop` */
export const stopInstance: Handle = async (asked) => {
  const { core, owner } = asked;
  return change<"pod.stop">(
    asked,
    (seen) => {
      const { instance, state } = meantBy(asked, seen);
      if (!isOpen(state)) return textAnswer("");
      return {
        operation: "pod.stop",
        input: { pod: instance.pod },
        of: { ...owner, does: "stop", instance: instance.id },
      };
    },
    async (_result, { input }) => {
      const { pod } = input as InputOf<"pod.stop">;
      const { instances } = await readHoldings(core.records, owner);
      const instance = instances.find((one) => one.pod === pod);
      if (instance) await whenEnded(core, { ...owner, pod, run: instance.run });
      return textAnswer("");
    },
  );
};

/** `DELETE /instances/{x}` */
export const deleteInstance: Handle = async (asked) => {
  const { core, owner, query } = asked;
  return change<"pod.remove">(
    asked,
    (seen) => {
      const { instance, state } = meantBy(asked, seen);
      if (isOpen(state) && !isTrue(query.get("force"))) {
        throw new PerigeeError(
          "WRONG_STATE",
          `instance ${instance.name} is still running. try again with --force or power off instance first`,
        );
      }
      return {
        operation: "pod.remove",
        input: { pod: instance.pod },
        of: { ...owner, does: "removeInstance", instance: instance.id },
      };
    },
    async (_result, { input }) => {
      const { pod } = input as InputOf<"pod.remove">;
      // at once where it can be: else the janitor does it (gone-pods.ts)
      await core.podLogs.remove({ ...owner, pod }).catch((error: unknown) => {
        core.log.warn({ err: error, pod }, "the log of an instance stays until the next round");
      });
      return noContent();
    },
  );
};
