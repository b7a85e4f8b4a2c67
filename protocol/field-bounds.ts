import { REFERENCE_LENGTH } from "./image-reference.ts";
import { LIMITS } from "./limits.ts";

/** The bound of a field: `bytes` of its text in UTF-8, `items` of its list or dictionary. */
export type FieldBound = { bytes: number; items?: number };

const path = { bytes: LIMITS.pathBytes };
const word = { bytes: LIMITS.wordBytes };
const name = { bytes: 63 };

/** The bound of every field that users send, checked on the ground and again on the edge. */
export const FIELD_BOUNDS = {
  pod_name: name,
  pvc_name: name,
  dest_path: path,
  filepath: path,
  dockerfile: path,
  context: path,
  tarfile: path,
  image: { bytes: REFERENCE_LENGTH },
  max_duration: word,
  node: word,
  scheduled_time: word,
  fpga_image: word,
  tail: word,
  since: word,
  previous: word,
  follow: word,
  command: { bytes: LIMITS.startBytes, items: LIMITS.podWords },
  args: { bytes: LIMITS.bodyBytes, items: LIMITS.podWords },
  envs: { bytes: LIMITS.bodyBytes, items: LIMITS.podEnvs },
  ports: { bytes: LIMITS.fieldBytes, items: LIMITS.podPorts },
} as const satisfies Record<string, FieldBound>;
export type BoundedField = keyof typeof FIELD_BOUNDS;

const ITEMS = { command: "words", args: "arguments", envs: "variables", ports: "ports" } as const;
type ListField = keyof typeof ITEMS;

/** The rule that a text of so many bytes breaks; undefined when it breaks none. */
export function bytesRule(field: BoundedField, bytes: number): string | undefined {
  const bound = FIELD_BOUNDS[field].bytes;
  return bytes > bound ? `must be at most ${bound} bytes` : undefined;
}

/** The rule that a list or dictionary of so many items breaks; undefined when it breaks none. */
export function itemsRule(field: ListField, items: number): string | undefined {
  const bound = FIELD_BOUNDS[field].items;
  return items > bound ? `must be at most ${bound} ${ITEMS[field]}` : undefined;
}

/**
 * The rule that a pod's command, args and envs break together; undefined when they break none. Linux accepts a single
 * text of this length (`NAME=value` with its terminating zero), so a pod within the bound can be started.
 */
export function startRule(run: {
  command?: readonly string[] | undefined;
  args?: readonly string[] | undefined;
  envs: Readonly<Record<string, string>>;
}): string | undefined {
  const words = [...(run.command ?? []), ...(run.args ?? []), ...Object.entries(run.envs).flat()];
  if (words.some((one) => one.includes("\0"))) return "must not hold NUL";
  const bytes = words.reduce((sum, one) => sum + utf8Bytes(one) + 1, 0);
  return bytes > LIMITS.startBytes ? `must be at most ${LIMITS.startBytes} bytes together` : undefined;
}

const encoder = new TextEncoder();

/** Length of a text in UTF-8 bytes. */
export function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}
