import { readFileSync } from "node:fs";
import type { AgentConfig } from "../../config.ts";
import { freeBytes } from "../../files/free-space.ts";
import { collectBy } from "./collect-command.ts";
import { RegistryHandover, type RegistryHandoverOptions } from "./registry-handover.ts";

type Parts = Pick<
  RegistryHandoverOptions,
  "docker" | "database" | "instance" | "repositoryOf" | "isInUse" | "onError"
> & { freeFloorBytes: number };

/** The handover that the configuration describes. @throws Error when its password file cannot be read */
export function openHandover(
  config: NonNullable<AgentConfig["imageRegistry"]>,
  { freeFloorBytes, ...parts }: Parts,
): RegistryHandover {
  const { pull, push = pull, passwordFile, maxBytes, storage, collect } = config;
  return new RegistryHandover({
    ...parts,
    pull,
    push,
    maxBytes,
    ...(passwordFile && { password: readFileSync(passwordFile, "utf8").trim() }),
    ...(storage && { room: () => freeBytes(storage) - freeFloorBytes }),
    ...(collect && { collect: (signal: AbortSignal) => collectBy(collect, signal) }),
  });
}
