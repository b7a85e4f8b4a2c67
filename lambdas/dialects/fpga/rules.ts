import { hasKeyTwice } from "./json-members.ts";

/** The members of the object `fpga_image`, each as compact JSON text. */
export type Given = ReadonlyMap<string, string>;

/** One rule of a registration's body: `rule` ends the sentence that begins with the field's name. */
type Rule = { field: string; rule: string; holds(given: Given): boolean };

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const BUCKET_WITHOUT = /\.\.|\.-|-\./;
const FILE = /^[A-Za-z0-9_./-]{4,64}$/;
const FILE_END = /(?:\.bin|xclbin)$/;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** The contract's page alone: some clients also allow Chinese characters. */
const DESCRIPTION = /^[A-Za-z0-9_., -]{0,255}$/;
const METADATA_CHARACTERS = 1024;

/** Four numbers up to 255 with dots between, whatever zeros stand before them. */
function isAddress(bucket: string): boolean {
  const numbers = bucket.split(".");
  return numbers.length === 4 && numbers.every((number) => /^\d+$/.test(number) && Number(number) <= 255);
}

/** A bucket's name by OBS's rules: also those of a bucket that is made. */
export const isBucket = (name: string): boolean =>
  BUCKET.test(name) && !BUCKET_WITHOUT.test(name) && !isAddress(name);

/** The text that a member is; undefined for another type, or none. */
function textOf(given: Given, name: string): string | undefined {
  const json = given.get(name);
  return json?.startsWith('"') ? (JSON.parse(json) as string) : undefined;
}

/** Bucket and file of `bucket:file`, divided at the first colon. */
function locationOf(given: Given): { bucket: string; key: string } | undefined {
  const [, bucket = "", key = ""] = /^([^:]+):([\s\S]+)$/.exec(textOf(given, "location") ?? "") ?? [];
  return bucket === "" ? undefined : { bucket, key };
}

/** Every rule of a registration's fields, in the order in which they are told. */
export const RULES: readonly Rule[] = [
  {
    field: "location",
    rule: 'is mandatory, a text of the form "bucket:file"',
    holds: (given) => locationOf(given) !== undefined,
  },
  {
    field: "location (bucket)",
    rule: "consists of 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit first and last, without .., .- or -., and is no IP address",
    holds: (given) => isBucket(locationOf(given)?.bucket ?? ""),
  },
  {
    field: "location (file)",
    rule: "consists of 4 to 64 letters, digits, hyphens, underscores, slashes and dots",
    holds: (given) => FILE.test(locationOf(given)?.key ?? ""),
  },
  {
    field: "location (file)",
    rule: "ends with .bin or xclbin",
    holds: (given) => FILE_END.test(locationOf(given)?.key ?? ""),
  },
  {
    field: "name",
    rule: "is mandatory, 1 to 64 letters, digits, underscores and hyphens",
    holds: (given) => NAME.test(textOf(given, "name") ?? ""),
  },
  {
    field: "metadata",
    rule: "is mandatory, a JSON object",
    holds: (given) => given.get("metadata")?.startsWith("{") ?? false,
  },
  {
    field: "metadata",
    rule: `has at most ${METADATA_CHARACTERS} characters as JSON without white space`,
    holds: (given) => [...(given.get("metadata") ?? "")].length <= METADATA_CHARACTERS,
  },
  {
    field: "metadata",
    rule: "has no key twice",
    holds: (given) => !hasKeyTwice(given.get("metadata") ?? "{}"),
  },
  {
    field: "description",
    rule: "is a text of up to 255 letters, digits, hyphens, underscores, dots, commas and spaces",
    holds: (given) =>
      ["null", undefined].includes(given.get("description")) ||
      DESCRIPTION.test(textOf(given, "description") ?? "\n"),
  },
];

/** What a body that keeps every rule asks for; `metadata` is its compact JSON text. */
export type Registration = {
  bucket: string;
  key: string;
  name: string;
  metadata: string;
  description: string;
};

/** A registration by members that keep every rule of {@link RULES}. */
export function registrationOf(given: Given): Registration {
  const { bucket = "", key = "" } = locationOf(given) ?? {};
  return {
    bucket,
    key,
    name: textOf(given, "name") ?? "",
    metadata: given.get("metadata") ?? "{}",
    description: textOf(given, "description") ?? "",
  };
}
