import { PerigeeError } from "#protocol/errors.ts";
import { noContent, textAnswer } from "./answers.ts";
import type { Asked, Handle } from "./asked.ts";
import { change, changeHere, type Seen } from "./change.ts";
import { attachedTo } from "./holdings.ts";
import { isOpen } from "./instance-changes.ts";
import { stateOf } from "./instance-view.ts";
import { isTrue } from "./json-object.ts";
import { lookup } from "./lookup.ts";
import { type InstanceRecord, keys } from "./records.ts";
import { stopped } from "./stopped.ts";
import type { Volume } from "./volume-view.ts";
import { withoutVolume } from "./without-volume.ts";

const named = (volumes: readonly Volume[]) => volumes.map((one) => ({ ...one, id: one.name }));

function volumeMeant({ named: { volume } }: Asked, { volumes }: Seen): Volume {
  return lookup("volume", named(volumes), volume!, true);
}

/** @throws WRONG_STATE: no provider changes the mounts of a process that runs */
function requireStopped(instance: InstanceRecord, { runs }: Seen): void {
  if (!isOpen(stateOf(instance, runs.get(instance.run)).State)) return;
  throw new PerigeeError("WRONG_STATE", `instance ${instance.name} is running; stop it first`);
}

/** `POST /volumes/{x}/attach/{instance}?mount=P` */
export const attachVolume: Handle = async (asked) => {
  const { owner, query } = asked;
  await changeHere(asked, (seen) => {
    const volume = volumeMeant(asked, seen);
    const instance = lookup("instance", seen.holdings.instances, asked.named.instance!, true);
    const at = query.get("mount") ?? "";
    if (at === "") throw invalid("must provide 'mount' parameter");
    const mount = instance.mounts.find((one) => one.at === at);
    if (!mount) throw invalid(`mount point ${at} does not exist for image ${instance.image}`);
    if (volume.provider !== instance.provider) {
      throw invalid(
        `volume ${volume.name} is for ${volume.provider}, and instance ${instance.name} for ${instance.provider}`,
      );
    }
    const user = attachedTo(seen.holdings, volume.name);
    if (user)
      throw new PerigeeError("VOLUME_IN_USE", `volume ${volume.name} is attached to instance ${user.name}`);
    if (mount.volume !== undefined && seen.volumes.some(({ name }) => name === mount.volume)) {
      throw new PerigeeError(
        "WRONG_STATE",
        `mount point ${at} of instance ${instance.name} has volume ${mount.volume}`,
      );
    }
    requireStopped(instance, seen);
    const mounts = instance.mounts.map((one) => (one === mount ? { at, volume: volume.name } : one));
    return [{ put: { ...keys.instance(owner, instance.id), data: { ...instance, mounts } } }];
  });
  return textAnswer(asked.named.volume!, 202);
};

/** `POST /volumes/{x}/detach` */
export const detachVolume: Handle = async (asked) => {
  const { owner } = asked;
  await changeHere(asked, (seen) => {
    const volume = volumeMeant(asked, seen);
    const instance = attachedTo(seen.holdings, volume.name);
    if (!instance) throw new PerigeeError("WRONG_STATE", "volume has no attachment");
    requireStopped(instance, seen);
    const data = withoutVolume(instance, volume.name);
    return [{ put: { ...keys.instance(owner, instance.id), data } }];
  });
  return textAnswer(asked.named.volume!, 202);
};

/** `DELETE /volumes/{x}` */
export const deleteVolume: Handle = async (asked) => {
  const { owner, query } = asked;
  const isForced = isTrue(query.get("force"));
  return change<"volume.remove">(
    asked,
    async (seen) => {
      const volume = volumeMeant(asked, seen);
      const instance = attachedTo(seen.holdings, volume.name);
      if (instance && !isForced) {
        throw new PerigeeError(
          "VOLUME_IN_USE",
          `volume ${volume.name} is attached to instance ${instance.name}; try again with force=true`,
        );
      }
      if (instance && isOpen(stateOf(instance, seen.runs.get(instance.run)).State))
        await stopped(asked, instance);
      return {
        operation: "volume.remove",
        input: { volume: volume.volume },
        // attached until it is gone: the edge may refuse, as others use it
        of: { ...owner, does: "removeVolume", name: volume.name },
      };
    },
    () => noContent(),
  );
};

const invalid = (message: string) => new PerigeeError("INVALID_PARAMETERS", message);
