import { parse } from "yaml";
import * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { splitWords } from "./split-words.ts";

/** A file in the sources: nothing in its name means something to a Dockerfile. */
const file = z
  .string()
  .regex(/^[A-Za-z0-9_+@-][A-Za-z0-9._+@/-]*$/, "must be the relative path of a file of the sources")
  .refine((path) => !path.split("/").includes(".."), "must not lead out of the sources");
const words = z
  .union([z.string().transform(splitWords), z.array(z.string())])
  .refine((list) => list.every((one) => !one.includes("\0")), "must not hold NUL");

/** `manifest.yaml`: keys that no compiler knows are ignored. */
const manifest = z.object({
  main_file: file.optional(),
  binary_name: file.optional(),
  runtime_args: words.default([]),
  build_command: z.string().max(4096).optional(),
  ports: z.array(z.number().int().min(1).max(65535)).max(LIMITS.instancePorts).default([]),
});
export type Manifest = z.infer<typeof manifest>;

/** Reads the text of a manifest; undefined means that there is none. @throws PerigeeError SOURCES_REFUSED */
export function readManifest(text: string | undefined): Manifest {
  let content: unknown;
  try {
    content = text === undefined ? {} : (parse(text, { maxAliasCount: 0 }) ?? {});
  } catch (error) {
    throw new PerigeeError("SOURCES_REFUSED", `manifest.yaml: ${(error as Error).message.split("\n", 1)[0]}`);
  }
  const parsed = manifest.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PerigeeError("SOURCES_REFUSED", `manifest.yaml: ${issue?.path.join(".")}: ${issue?.message}`);
}
