import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { LABEL } from "./docker-labels.ts";

const RECONNECT_MS = 1_000;

/**
 * Calls `hint` with the run of every container of the instance that ended, and with undefined whenever events may
 * have been missed. Reconnects for ever.
 * @returns a function that ends it
 */
export function watchEvents(
  docker: Docker,
  instance: string,
  hint: (run: string | undefined) => void,
  closing: AbortSignal,
): () => void {
  const stop = new AbortController();
  const signal = AbortSignal.any([closing, stop.signal]);
  void (async () => {
    while (!signal.aborted) {
      await listen(docker, instance, hint, signal).catch(() => undefined);
      await sleep(RECONNECT_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  })();
  return () => stop.abort();
}

async function listen(
  docker: Docker,
  instance: string,
  hint: (run: string | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  const stream = (await docker.getEvents({
    filters: { type: ["container"], event: ["die"], label: [`${LABEL.instance}=${instance}`] },
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
      for (const line of lines) if (line.trim() !== "") hint(runOf(line));
    }
  } finally {
    signal.removeEventListener("abort", abort);
    stream.destroy();
  }
}

function runOf(line: string): string | undefined {
  try {
    return JSON.parse(line).Actor?.Attributes?.[LABEL.run];
  } catch {
    return undefined;
  }
}
