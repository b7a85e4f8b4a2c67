import * as z from "zod";
import { isKnownCompiler } from "../known-compilers.ts";
import { readMountPoints } from "../mount-points.ts";
import type { Provider, Published } from "../records.ts";

/** What a pull has to know of an image; everything else is read from its archive. */
export type PulledImage = Pick<Published, "provider" | "compiler" | "mountPoints">;

const PROVIDERS: readonly string[] = ["docker", "kubernetes", "qemu"] satisfies Provider[];
const text = z.string().max(500);
const shape = z.object({
  Infrastructure: text,
  RunSpec: z.object({
    Compiler: text,
    DeviceMappings: z
      .array(z.object({ MountPoint: text }))
      .max(64)
      .nullish(),
  }),
});

/** Reads an image as this API tells of it, from whoever wrote it. @returns undefined for what tells of none */
export function readImageJson(bytes: Buffer): PulledImage | undefined {
  try {
    const { Infrastructure, RunSpec } = shape.parse(JSON.parse(bytes.toString()));
    const provider = Infrastructure.toLowerCase();
    const { Compiler: compiler, DeviceMappings: devices } = RunSpec;
    if (!PROVIDERS.includes(provider) || !isKnownCompiler(provider, compiler)) return undefined;
    const given = (devices ?? []).map(({ MountPoint }) => MountPoint).filter((at) => at !== "/");
    const mountPoints = readMountPoints(given.join(), compiler);
    return { provider: provider as Provider, compiler, mountPoints };
  } catch {
    return undefined;
  }
}
