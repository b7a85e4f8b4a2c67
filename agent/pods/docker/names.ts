import { isRunId, isRunnerId } from "../runs/run-id.ts";

/** Name of a run's, or a runner's, container. @throws TypeError for what is no run's id */
export function containerName(prefix: string, run: string): string {
  if (!isRunId(run) && !isRunnerId(run))
    throw new TypeError(`not a run: ${JSON.stringify(run.slice(0, 64))}`);
  return `${prefix}-${run.toLowerCase()}`;
}

/**
 * The run whose container has this name; undefined for every other name. Only the agent names containers, whereas
 * labels also come from images: so it is the name that says which run it is, never a label.
 */
export function runOfName(prefix: string, name: string): string | undefined {
  const bare = name.replace(/^\//, "");
  if (!bare.startsWith(`${prefix}-`)) return undefined;
  const id = bare.slice(prefix.length + 1);
  if (isRunnerId(id)) return id;
  const run = id.toUpperCase();
  return id === id.toLowerCase() && isRunId(run) ? run : undefined;
}
