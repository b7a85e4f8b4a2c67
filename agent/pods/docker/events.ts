import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { LABEL } from "../labels.ts";
import { runOfName } from "./names.ts";

const RECONNECT_MS = 1_000;

/** Label and beginning of the names of an agent's containers. */
type Ours = { instance: string; prefix: string };

/**
 * Calls `hint` with the run of every container of the instance that ended, and with undefined whenever events may
 * have been missed. Reconnects for ever.
 * @returns a function that ends it
 */
export function watchEvents(
  docker: Docker,
  ours: Ours,
  hint: (run: string | undefined) => void,
  closing: AbortSignal,
): () => void {
  const stop = new AbortController();
  const signal = AbortSignal.any([closing, stop.signal]);
  void (async () => {
    while (!signal.aborted) {
      await listen(docker, ours, hint, signal).catch(() => undefined);
      await sleep(RECONNECT_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  })();
  return () => stop.abort();
}

async function listen(
  docker: Docker,
  ours: Ours,
  hint: (run: string | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  const stream = (await docker.getEvents({
    filters: { type: ["container"], event: ["die"], label: [`${LABEL.instance}=${ours.instance}`] },
  })) as Readable;
  const abort = () => stream.destroy();
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) stream.destroy();
  try {
    hint(undefined);
    let rest = "";
    for await (const chunk of stream) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const run = runOf(line, ours.prefix);
        if (run !== undefined) hint(run);
      }
    }
  } finally {
    signal.removeEventListener("abort", abort);
    stream.destroy();
  }
}

/** The run of an event about a container that is ours by its name. Its other attributes are labels: anybody's. */
function runOf(line: string, prefix: string): string | undefined {
  try {
    const name: unknown = JSON.parse(line).Actor?.Attributes?.name;
    return typeof name === "string" ? runOfName(prefix, name) : undefined;
  } catch {
    return undefined;
  }
}
