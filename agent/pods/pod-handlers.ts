import { PerigeeError } from "#protocol/errors.ts";
import { inSpace } from "#protocol/names.ts";
import type { OperationHandlers } from "../operation.ts";
import type { PodManager } from "./pod-manager.ts";
import type { RunInput } from "./runs/run-record.ts";

export type PodHandlerDeps = {
  /** Makes the volume if it is new; its host path. */
  ensureVolume(user: string, volume: string): string | Promise<string>;
  hasVolume(user: string, volume: string): boolean;
};

/** The operations on pods and nodes. */
export function podHandlers(
  manager: PodManager,
  deps: PodHandlerDeps,
): Pick<
  OperationHandlers,
  "pod.run" | "pod.start" | "pod.remove" | "pod.status" | "pod.stop" | "nodes.status"
> {
  /** Once it is recorded it takes place; a cancel after that comes too late. */
  const accept = async (
    id: string,
    user: string,
    input: RunInput,
    signal: AbortSignal,
    pinnedImage?: string,
  ) => {
    if (manager.has(id)) return;
    signal.throwIfAborted();
    const volumes: Record<string, string> = {};
    for (const mount of input.mounts) {
      const volume = inSpace(mount.volume, input.space);
      if (mount.mustExist && !deps.hasVolume(user, volume)) {
        throw new PerigeeError("VOLUME_NOT_FOUND", `There is no volume ${mount.volume}`, {
          data: { at: mount.at },
        });
      }
      volumes[volume] ??= await deps.ensureVolume(user, volume);
    }
    signal.throwIfAborted();
    manager.accept({ id, user, volumes, input, ...(pinnedImage !== undefined && { pinnedImage }) });
  };

  return {
    async "pod.run"({ command, input, signal }) {
      await accept(command.id, command.user, input, signal);
      return {};
    },
    async "pod.start"({ command, input, signal }) {
      const { id, user } = command;
      if (manager.has(id)) return {};
      const { input: last, pinnedImage } = manager.specificationOf(user, input.pod);
      await accept(id, user, { ...last, mounts: input.mounts ?? last.mounts }, signal, pinnedImage);
      return {};
    },
    async "pod.remove"({ command, input, signal }) {
      await manager.remove(command.user, input.pod, signal);
      return {};
    },
    async "pod.status"({ command, input, signal }) {
      return { state: await manager.status(command.user, input.pod, signal) };
    },
    async "pod.stop"({ command, input, signal }) {
      await manager.stop(command.user, input.pod, signal);
      return {};
    },
    async "nodes.status"() {
      const nodes = await manager.nodes();
      return { nodes: nodes.map(({ name, status }) => ({ name, status })) };
    },
  };
}
