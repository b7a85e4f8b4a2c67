import type { OperationHandlers } from "../operation.ts";
import type { PodManager } from "./pod-manager.ts";

export type PodHandlerDeps = {
  /** Makes the volume if it is new; its host path. */
  ensureVolume(user: string, volume: string): string | Promise<string>;
};

/** The operations on pods and nodes. */
export function podHandlers(
  manager: PodManager,
  deps: PodHandlerDeps,
): Pick<OperationHandlers, "pod.run" | "pod.status" | "pod.stop" | "nodes.status"> {
  return {
    async "pod.run"({ command, input, signal }) {
      // Once it is recorded it takes place; a cancel after that comes too late.
      if (!manager.has(command.id)) {
        signal.throwIfAborted();
        const { id, user } = command;
        const volumes: Record<string, string> = {};
        for (const { volume } of input.mounts) volumes[volume] ??= await deps.ensureVolume(user, volume);
        signal.throwIfAborted();
        manager.accept({ id, user, volumes, input });
      }
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
