import { LIMITS } from "#protocol/limits.ts";
import { TarError } from "../../files/tar-parser.ts";
import { isAgentLabel } from "../image-labels.ts";
import { parseJson } from "./archive-index.ts";

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** What is needed of an image's config to load it. */
export type ImageConfig = {
  /** diff IDs from the lowest layer up */
  diffIds: string[];
  /** labels that only the agent may give */
  ourLabels: string[];
};

/**
 * Reads the config of an image that is to be loaded. Absent or empty, `os` and `architecture` mean the nodes'.
 * What the engine or a pod would take apart is bounded, whatever its type.
 * @throws TarError saying what is wrong
 */
export function readImageConfig(bytes: Buffer, architectures: readonly string[]): ImageConfig {
  const image = fieldsOf(parseJson(bytes, "the image's config"), "it");
  const { os, architecture, rootfs, config, history } = image;
  const fits =
    (isAbsent(os) || os === "linux") &&
    (isAbsent(architecture) || (typeof architecture === "string" && architectures.includes(architecture)));
  if (!fits) {
    const found = [os, architecture]
      .map((part) => String(isAbsent(part) ? "?" : part).slice(0, 40))
      .join("/");
    throw new TarError(
      `the image is for ${found}, the nodes are linux/${architectures.join(", linux/")}: build it for them, for example with --platform linux/${architectures[0]}`,
    );
  }
  if (!isAbsent(history) && !Array.isArray(history)) throw odd("history", "a list");
  if (!isAbsent(config)) checkConfig(config);
  const ourLabels = [config, image.container_config].flatMap((part) => {
    const { labels } = isAbsent(part) ? {} : fieldsOf(part, "config");
    return isObject(labels) ? Object.keys(labels).filter(isAgentLabel) : [];
  });
  return { diffIds: diffIdsOf(rootfs), ourLabels };
}

function diffIdsOf(rootfs: unknown): string[] {
  const { type, diff_ids: diffIds } = isAbsent(rootfs) ? {} : fieldsOf(rootfs, "rootfs");
  if (type === "layers" && isAbsent(diffIds)) return [];
  if (type !== "layers" || !isStrings(diffIds) || !diffIds.every((id) => DIGEST.test(id))) {
    throw new TarError("the image's config names no layers");
  }
  return diffIds;
}

const TEXTS = ["User", "WorkingDir", "StopSignal"];
const LISTS = ["Env", "OnBuild"];
/** a text is a list of one to the engine */
const COMMANDS = ["Cmd", "Entrypoint", "Shell"];
const MAPS: Record<string, number> = {
  Volumes: LIMITS.imageVolumes,
  Labels: LIMITS.imageConfigEntries,
  ExposedPorts: LIMITS.imagePorts,
};

function checkConfig(config: unknown): void {
  const fields = fieldsOf(config, "config");
  for (const field of TEXTS) {
    const value = fields[field.toLowerCase()];
    if (isAbsent(value)) continue;
    if (typeof value !== "string") throw odd(field, "a text");
    checkText(field, value);
  }
  for (const field of [...LISTS, ...COMMANDS]) {
    const value = fields[field.toLowerCase()];
    if (isAbsent(value) || (typeof value === "string" && COMMANDS.includes(field))) continue;
    if (!isStrings(value)) throw odd(field, "a list of texts");
    checkCount(field, value.length, LIMITS.imageConfigEntries);
    for (const item of value) checkText(field, item);
  }
  for (const [field, most] of Object.entries(MAPS)) {
    const value = fields[field.toLowerCase()];
    if (isAbsent(value)) continue;
    if (!isObject(value)) throw odd(field, "an object");
    const keys = Object.keys(value);
    checkCount(field, keys.length, most);
    for (const key of keys) checkText(field, key);
    if (field === "Labels" && !isStrings(Object.values(value))) throw odd(field, "an object of texts");
  }
  if (!isAbsent(fields.healthcheck) && !isObject(fields.healthcheck)) throw odd("Healthcheck", "an object");
}

/** Nothing on Linux that takes a text ends it elsewhere than at NUL. */
function checkText(field: string, text: string): void {
  if (text.includes("\0")) throw new TarError(`the image's config: ${field} holds a NUL character`);
}

function checkCount(field: string, count: number, most: number): void {
  if (count > most)
    throw new TarError(`the image's config: ${field} has ${count} entries, at most ${most} are taken`);
}

/**
 * An object's values by their keys in lower case: so the engine reads them. Two keys that differ in nothing else
 * could be read in two ways.
 */
function fieldsOf(value: unknown, what: string): Record<string, unknown> {
  if (!isObject(value)) throw odd(what, "an object");
  const fields: Record<string, unknown> = Object.create(null);
  for (const [key, content] of Object.entries(value)) {
    // upper case first: some letters have one and the same only there
    const folded = key.toUpperCase().toLowerCase();
    if (folded in fields)
      throw new TarError(`the image's config has ${JSON.stringify(key.slice(0, 80))} twice`);
    fields[folded] = content;
  }
  return fields;
}

function odd(field: string, expected: string): TarError {
  return new TarError(`the image's config: ${field} must be ${expected}`);
}

function isAbsent(value: unknown): value is undefined | null | "" {
  return value === undefined || value === null || value === "";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
