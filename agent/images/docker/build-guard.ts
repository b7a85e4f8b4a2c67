import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import type { BuildSteps } from "./build-steps.ts";

export type GuardOptions = {
  docker: Docker;
  steps: BuildSteps;
  /** processes of one step */
  pids: number;
  /** bytes that all steps may write together */
  maxBytes: number;
  /** bytes beneath a directory of the host: a volume that the image declares */
  measure?(directory: string): Promise<number>;
  /** between two looks at the sizes (ms); default 2 000 */
  everyMs?: number;
};

export type BuildGuard = {
  /** aborts with QUOTA_EXCEEDED when the steps have written too much */
  signal: AbortSignal;
  close(): void;
};

/**
 * Holds a build's steps to bounds that the engine's builder has none for: processes, as soon as a step's
 * container is there, and bytes written.
 */
export function guardBuild(options: GuardOptions): BuildGuard {
  const { docker, steps, pids, maxBytes, measure, everyMs = 2_000 } = options;
  const tooMuch = new AbortController();
  const closing = new AbortController();
  const limited = new Set<string>();
  /** bytes by container: what a step that is over wrote went into a layer */
  const written = new Map<string, number>();

  const limit = async (id: string) => {
    // Twice at most: an engine may not take it between a container's creation and its start.
    if (limited.has(id)) return;
    await docker.getContainer(id).update({ PidsLimit: pids });
    limited.add(id);
  };

  const look = async () => {
    for (const id of await steps.list()) {
      await limit(id).catch(() => undefined);
      const bytes = await writtenBy(id).catch(() => 0);
      written.set(id, Math.max(written.get(id) ?? 0, bytes));
    }
    const sum = [...written.values()].reduce((total, bytes) => total + bytes, 0);
    if (sum > maxBytes) tooMuch.abort(byteQuotaExceeded());
  };

  const writtenBy = async (id: string): Promise<number> => {
    // dockerode's types know neither the option nor what it brings
    const options = { size: true } as object;
    const found: Docker.ContainerInspectInfo & { SizeRw?: number } = await docker
      .getContainer(id)
      .inspect(options);
    let bytes = found.SizeRw ?? 0;
    for (const { Type, Source } of found.Mounts) {
      if (Type === "volume") bytes += (await measure?.(Source).catch(() => 0)) ?? 0;
    }
    return bytes;
  };

  const watch = async () => {
    const events = (await docker.getEvents({
      filters: { type: ["container"], event: ["create", "start"] },
    })) as Readable;
    const stop = () => events.destroy();
    closing.signal.addEventListener("abort", stop, { once: true });
    if (closing.signal.aborted) stop();
    let rest = "";
    for await (const chunk of events) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { Actor } = JSON.parse(line) as { Actor?: { ID: string } };
        if (!Actor) continue;
        void steps
          .has(Actor.ID)
          .then((ours) => (ours ? limit(Actor.ID) : undefined))
          .catch(() => undefined);
      }
    }
  };

  // The engine is asked again at the next look, and the build fails by itself when it is away.
  void watch().catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const again = () => {
    timer = setTimeout(() => {
      void look()
        .catch(() => undefined)
        .finally(() => !closing.signal.aborted && again());
    }, everyMs);
  };
  again();
  return {
    signal: tooMuch.signal,
    close: () => {
      closing.abort();
      clearTimeout(timer);
    },
  };
}
