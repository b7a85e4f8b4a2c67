import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { IMAGE_LABEL, IMAGE_USER_LABEL } from "./image-labels.ts";

export type GuardOptions = {
  docker: Docker;
  instance: string;
  user: string;
  /** processes of one step */
  pids: number;
  /** bytes that all steps may write together */
  maxBytes: number;
  /** Is the container one of the agent's pods, which carry their image's labels? */
  isPod(labels: Record<string, string>): boolean;
  /** between two looks at the sizes (ms); default 2 000 */
  everyMs?: number;
};

export type BuildGuard = {
  /** aborts with QUOTA_EXCEEDED when the steps have written too much */
  signal: AbortSignal;
  close(): void;
};

type Step = Docker.ContainerInfo & { SizeRw?: number };

/**
 * Holds a build's steps to bounds that the engine's builder has none for: processes, as soon as a step's
 * container is there, and bytes written.
 */
export function guardBuild(options: GuardOptions): BuildGuard {
  const { docker, pids, maxBytes, everyMs = 2_000 } = options;
  const label = [`${IMAGE_LABEL}=${options.instance}`, `${IMAGE_USER_LABEL}=${options.user}`];
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
    const steps = (await docker.listContainers({ all: true, size: true, filters: { label } })) as Step[];
    for (const { Id, Labels, SizeRw = 0 } of steps) {
      if (options.isPod(Labels)) continue;
      await limit(Id).catch(() => undefined);
      written.set(Id, Math.max(written.get(Id) ?? 0, SizeRw));
    }
    const sum = [...written.values()].reduce((total, bytes) => total + bytes, 0);
    if (sum > maxBytes) tooMuch.abort(byteQuotaExceeded());
  };

  const watch = async () => {
    const events = (await docker.getEvents({
      filters: { type: ["container"], event: ["create", "start"], label },
    })) as Readable;
    const stop = () => events.destroy();
    closing.signal.addEventListener("abort", stop, { once: true });
    if (closing.signal.aborted) stop();
    let rest = "";
    for await (const chunk of events) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { Actor } = JSON.parse(line) as { Actor?: { ID: string; Attributes: Record<string, string> } };
        if (Actor && !options.isPod(Actor.Attributes)) await limit(Actor.ID).catch(() => undefined);
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
