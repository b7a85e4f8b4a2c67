import { PerigeeError } from "#protocol/errors.ts";
import { KiB } from "#protocol/limits.ts";
import { MACHINES } from "#protocol/machines.ts";
import type { Image } from "./holdings.ts";
import { defaultMemoryMb, machineOf, mostMemoryMb } from "./image-view.ts";
import { JsonObject } from "./json-object.ts";

export type RunBody = {
  name: string;
  image: string;
  /** by mount point */
  mounts: [at: string, volume: string][];
  env: Record<string, string>;
  memoryMb: number;
  keepsFailed: boolean;
  debug: boolean;
};

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
const ENV_BYTES = 64 * KiB;
const LEAST_MB = { container: 16, baremetal: MACHINES.baremetal.leastMb, linux: MACHINES.linux.leastMb };

/** @throws INVALID_PARAMETERS when it cannot be read; what it names is not looked at yet */
export function readRunBody(bytes: Buffer): RunBody {
  const body = new JsonObject(bytes);
  return {
    name: body.text("InstanceName"),
    image: body.text("ImageName"),
    mounts: body.texts("Mounts"),
    env: Object.fromEntries(body.texts("Env")),
    memoryMb: body.number("MemoryMb"),
    keepsFailed: body.flag("NoCleanup"),
    debug: body.flag("DebugMode"),
  };
}

/** @throws INVALID_PARAMETERS */
export function checkEnv(env: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name))
      throw wrong(`Env: ${JSON.stringify(name.slice(0, 100))} is no name of a variable`);
    if (value.includes("\0")) throw wrong(`Env: the value of ${name} holds NUL`);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > ENV_BYTES) throw wrong("Env: names and values are over 64 KiB together");
}

/** Whole MiB of an instance of an image. @throws INVALID_PARAMETERS naming the bound */
export function memoryOf(asked: number, { content: { compiler } }: Image, edgeMb?: number): number {
  const least = LEAST_MB[machineOf(compiler)];
  const most = mostMemoryMb(compiler, edgeMb);
  if (most < least) throw wrong(`the edge gives one instance too little memory: ${least} MiB are needed`);
  if (asked === 0) return defaultMemoryMb(compiler, edgeMb);
  if (asked < least) throw wrong(`MemoryMb must be at least ${least}`);
  if (asked > most) throw wrong(`MemoryMb must be at most ${most}`);
  return asked;
}

const wrong = (message: string) => new PerigeeError("INVALID_PARAMETERS", message);
