import { KiB } from "#protocol/limits.ts";
import { NODE_KINDS, type NodeKind } from "#protocol/names.ts";
import type { InputOf } from "#protocol/operations.ts";
import { type Fields, readBody, readQueryAndBody } from "../../http/read-body.ts";
import { json } from "./answers.ts";
import { commandLine } from "./command-line.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { dictField, invalid, listField, requiredField, textField, wholeNumber } from "./form-values.ts";
import { runnableImage } from "./image-reference.ts";
import { podName, volumeName } from "./names.ts";
import { perform } from "./perform.ts";
import { scheduledTime } from "./scheduled-time.ts";

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
/** What an exec can take in one string on Linux; here for all of command, args and envs. */
const WORDS_BYTES = 128 * KiB;
/** minutes; keeps start + duration a moment that a clock can tell */
const MAX_DURATION = 1_000_000_000;

/** POST /em/pod/run */
export async function runPod(c: EmContext, deps: EmDeps): Promise<Response> {
  return perform(c, deps, {
    operation: "pod.run",
    input: readRun(await readBody(c)),
    respond: () => json({ message: "Docker run scheduled successfully" }),
  });
}

/** GET, POST /em/pod/status */
export async function podStatus(c: EmContext, deps: EmDeps): Promise<Response> {
  const pod = podName(await readQueryAndBody(c));
  return perform(c, deps, {
    operation: "pod.status",
    input: { pod },
    respond: ({ state }) => json({ message: "Successfully fetched DPhi Pod status", data: { state } }),
  });
}

/** POST /em/pod/stop */
export async function stopPod(c: EmContext, deps: EmDeps): Promise<Response> {
  const pod = podName(await readBody(c));
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
  const words = [...(line.command ?? []), ...(line.args ?? []), ...envs.flat()];
  if (words.some((word) => word.includes("\0"))) throw invalid("command, args, envs", "must not hold NUL");
  if (words.reduce((bytes, word) => bytes + Buffer.byteLength(word) + 1, 0) > WORDS_BYTES) {
    throw invalid("command, args, envs", `must be at most ${WORDS_BYTES} bytes together`);
  }
  return {
    pod: podName(fields),
    volume: volumeName(fields),
    image,
    node,
    maxDuration,
    ...(time !== undefined && { scheduledTime: scheduledTime("scheduled_time", time) }),
    ...line,
    ports: [...new Set(ports)],
    // entries, not assignments: `__proto__` is a name like any other
    envs: Object.fromEntries(envs),
  };
}

function isNodeKind(text: string): text is NodeKind {
  return (NODE_KINDS as readonly string[]).includes(text);
}
