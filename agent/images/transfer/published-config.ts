import { isAgentLabel } from "../image-labels.ts";

/** What of an image's configuration says how it is run. */
const RUNS = [
  ...["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "StopSignal"],
  ...["Shell", "Healthcheck", "OnBuild"],
];

type Config = Record<string, unknown>;

/** An image's config without what is private, and the fields of it that go into `image.json`. */
export type PublishedConfig = { config: Buffer; architecture: string; told: object };

/**
 * The config of an image of this engine, written anew with what is needed to run it: not how it was built, nor for whom
 * and by which agent. Pure.
 */
export function publishedConfig(bytes: Buffer): PublishedConfig {
  const { architecture, os, variant, created, rootfs, config } = JSON.parse(bytes.toString("utf8")) as Config;
  const of = (config ?? {}) as Config;
  const labels = Object.entries((of.Labels ?? {}) as Config).filter(([key]) => !isAgentLabel(key));
  const kept = Object.fromEntries(RUNS.flatMap((key) => (of[key] == null ? [] : [[key, of[key]]])));
  const runs = { ...kept, ...(labels.length > 0 && { Labels: Object.fromEntries(labels) }) };
  const known = String(architecture ?? "");
  return {
    config: Buffer.from(JSON.stringify({ architecture, os, variant, created, config: runs, rootfs })),
    architecture: known,
    told: {
      Command: [...list(of.Entrypoint), ...list(of.Cmd)],
      Env: list(of.Env),
      Ports: Object.keys((of.ExposedPorts ?? {}) as Config),
      Architecture: known,
    },
  };
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
