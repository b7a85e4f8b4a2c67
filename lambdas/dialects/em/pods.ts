import { itemsRule, startRule } from "#protocol/field-bounds.ts";
import { NODE_KINDS, type NodeKind } from "#protocol/names.ts";
import type { InputOf } from "#protocol/operations.ts";
import { type FieldName, VOLUME_FIELDS } from "../../fields/field-names.ts";
import {
  dictField,
  invalid,
  listField,
  requiredField,
  textField,
  wholeNumber,
} from "../../fields/form-values.ts";
import { podName, volumeName } from "../../fields/names.ts";
import { readFields } from "../../fields/read-fields.ts";
import type { Fields } from "../../http/fields.ts";
import { json } from "../../http/json-answer.ts";
import { commandLine } from "./command-line.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { runnableImage } from "./image-fields.ts";
import { perform } from "./perform.ts";
import { scheduledTime } from "./scheduled-time.ts";

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
/** minutes; keeps start + duration a moment that a clock can tell */
const MAX_DURATION = 1_000_000_000;

const MINUTE_MS = 60_000;

/** Where a pod has its volume, and where it works if its image does not say. */
const DATA = "/data";

const RUN_FIELDS: FieldName[] = [
  ...VOLUME_FIELDS,
  "image",
  "max_duration",
  "node",
  "scheduled_time",
  "fpga_image",
  "command",
  "ports",
  "envs",
  "args",
];

/** POST /em/pod/run */
export async function runPod(c: EmContext, deps: EmDeps): Promise<Response> {
  const fields = await readFields(c, RUN_FIELDS);
  const input = readRun(fields);
  const fpgaImage = textField(fields, "fpga_image");
  return perform(c, deps, {
    operation: "pod.run",
    input,
    complete: {
      asked: fpgaImage === undefined ? input : { ...input, fpga_image: fpgaImage },
      by: (edge, user) => deps.completeRun({ user, edge, run: input, fpgaImage }),
    },
    respond: () => json({ message: "Docker run scheduled successfully" }),
  });
}

/** GET, POST /em/pod/status */
export async function podStatus(c: EmContext, deps: EmDeps): Promise<Response> {
  const pod = podName(await readFields(c, ["pod_name"]));
  return perform(c, deps, {
    operation: "pod.status",
    input: { pod },
    respond: ({ state }) => json({ message: "Successfully fetched DPhi Pod status", data: { state } }),
  });
}

/** POST /em/pod/stop */
export async function stopPod(c: EmContext, deps: EmDeps): Promise<Response> {
  const pod = podName(await readFields(c, ["pod_name"]));
  return perform(c, deps, {
    operation: "pod.stop",
    input: { pod },
    respond: () => json({ message: "Pod stopped successfully" }),
  });
}

/** The fields of pod/run as a checked input. @throws INVALID_PARAMETERS naming the field and the rule */
export function readRun(fields: Fields): InputOf<"pod.run"> {
  const image = runnableImage("image", requiredField(fields, "image"));
  const maxDuration = wholeNumber(requiredField(fields, "max_duration"), 1, MAX_DURATION);
  if (maxDuration === undefined) {
    throw invalid("max_duration", "must be a whole number of minutes, at least 1");
  }
  const node = requiredField(fields, "node").trim().toUpperCase();
  if (!isNodeKind(node)) throw invalid("node", "must be FPGA, GPU or MPU");
  const time = textField(fields, "scheduled_time");
  const ports = (listField(fields, "ports") ?? []).map((text) => {
    const port = wholeNumber(text, 1, 65535);
    if (port === undefined) throw invalid("ports", "must be a list of whole numbers from 1 to 65535");
    return port;
  });
  const envs = dictField(fields, "envs");
  for (const [name] of envs) {
    if (!ENV_NAME.test(name))
      throw invalid("envs", `the name ${JSON.stringify(name)} must match ${ENV_NAME.source}`);
  }
  const line = commandLine(textField(fields, "command"), listField(fields, "args"));
  const counts = {
    ports: ports.length,
    envs: envs.length,
    command: line.command?.length ?? 0,
    args: line.args?.length ?? 0,
  };
  for (const [field, count] of Object.entries(counts) as [keyof typeof counts, number][]) {
    const rule = itemsRule(field, count);
    if (rule !== undefined) throw invalid(field, rule);
  }
  // entries, not assignments: `__proto__` is a name like any other
  const environment = Object.fromEntries(envs);
  const rule = startRule({ ...line, envs: environment });
  if (rule !== undefined) throw invalid("command, args, envs", rule);
  return {
    pod: podName(fields),
    mounts: [{ volume: volumeName(fields), at: DATA }],
    image,
    kind: node,
    onSameName: "replace",
    maxMs: maxDuration * MINUTE_MS,
    network: "user",
    defaultWorkdir: DATA,
    ...(time !== undefined && { scheduledAt: scheduledTime("scheduled_time", time) }),
    ...line,
    ports: [...new Set(ports)],
    envs: environment,
  };
}

function isNodeKind(text: string): text is NodeKind {
  return (NODE_KINDS as readonly string[]).includes(text);
}
