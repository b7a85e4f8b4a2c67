import { invalid } from "./form-values.ts";

/** Every field that a route of the EM API or of an upload in parts reads, and what it is. */
export const FIELD_KINDS = {
  pod_name: "text",
  pvc_name: "text",
  dest_path: "text",
  filepath: "text",
  dockerfile: "text",
  context: "text",
  tarfile: "text",
  image: "text",
  max_duration: "text",
  node: "text",
  scheduled_time: "text",
  fpga_image: "text",
  command: "text",
  ports: "list",
  args: "list",
  envs: "dictionary",
  tail: "text",
  since: "text",
  previous: "text",
  follow: "text",
} as const;
export type FieldName = keyof typeof FIELD_KINDS;

/** Name the volume, and the pod. */
export const VOLUME_FIELDS = ["pod_name", "pvc_name"] as const satisfies FieldName[];

/** A name as a request has it: the field that it means, and what stands in brackets after it. */
export type NamedField = { field: FieldName; brackets: string[] };

/**
 * What `name` means where `fields` are known; undefined when it is none of them, which is to be ignored. `args[]` and
 * `envs[KEY]` are how jQuery, axios and PHP write lists and dictionaries.
 * @throws INVALID_PARAMETERS for a name that can only be meant for one of them and is not: a call must never act on the
 * default volume because its `podName` was not understood
 */
export function namedField(name: string, fields: readonly FieldName[]): NamedField | undefined {
  const [base = ""] = name.split(/[[\].]/, 1);
  const field = fields.find(
    (known) => squashed(known) === squashed(base) || squashed(known) === squashed(name),
  );
  if (field === undefined) {
    const meant = nearestField(name, fields);
    if (meant !== undefined) throw invalid(name, `is not understood, the field is called ${meant}`);
    return undefined;
  }
  if (base !== field) throw invalid(name, `is not understood, the field is called ${field}`);
  const rest = name.slice(base.length);
  if (rest === "") return { field, brackets: [] };
  const brackets = [...rest.matchAll(/\[([^[\]]*)\]/g)].map(([, inner = ""]) => inner);
  const kind = FIELD_KINDS[field];
  if (kind === "text" || rest !== brackets.map((inner) => `[${inner}]`).join("")) {
    throw invalid(name, `is not understood, the field is called ${field}`);
  }
  const understood = kind === "list" ? /^\d{0,5}$/ : /./s;
  if (brackets.length !== 1 || !understood.test(brackets[0]!)) {
    const form = kind === "list" ? `${field}[]` : `${field}[KEY]`;
    throw invalid(name, `is not understood, write ${form} or a JSON ${kind}`);
  }
  return { field, brackets };
}

/**
 * The field that `name` was probably meant for: in an object of its own (`data[pod_name]`), escaped for HTML or a URL,
 * or in look-alike characters of other widths.
 */
export function nearestField(name: string, fields: readonly FieldName[]): FieldName | undefined {
  const plain = unescaped(name.normalize("NFKC")).replace(/^(?:amp;)+/i, "");
  const parts = [plain, ...plain.split(/[[\].]+/)].map(squashed);
  return fields.find((known) => parts.includes(squashed(known)));
}

function unescaped(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function squashed(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
