import { KiB, LIMITS } from "#protocol/limits.ts";
import { NODE_KINDS, type NodeKind } from "#protocol/names.ts";
import type { DialectCore } from "../core.ts";
import { commandOf } from "./command-words.ts";
import { findObject } from "./objects.ts";
import { type Given, wholeNumber } from "./parameters.ts";
import type { ImageRecord, JobRecord, PipelineRecord } from "./records.ts";
import { parameterError, refusal, TEXTS } from "./refusals.ts";
import { longestMinutes } from "./settings.ts";
import { storedText } from "./stored-text.ts";

const COMMAND_BYTES = 64 * 1024;

/** What a request says of a job, checked; the image is not. @throws INVALID_PARAMETERS */
export function jobParameters(
  given: Given,
  core: Pick<DialectCore, "setting">,
): Partial<Pick<JobRecord, "command" | "maxMinutes" | "node">> {
  const command = given.get("command");
  const duration = given.get("max_duration");
  const node = given.get("node");
  return {
    ...(command !== undefined && { command: storedText(checkedCommand(command)) }),
    ...(duration !== undefined && { maxMinutes: minutesOf(duration, longestMinutes(core)) }),
    ...(node !== undefined && { node: nodeOf(node) }),
  };
}

/** An image for jobs of a pipeline. @throws a refusal when it is none of the user's, or of another edge */
export async function imageFor(
  { records }: Pick<DialectCore, "records">,
  uid: string,
  pipeline: PipelineRecord,
  id: number | undefined,
): Promise<ImageRecord> {
  return requireImage((await findObject(records, uid, "image", id))?.data, pipeline);
}

/** The image, where jobs of the pipeline can run it. @throws a refusal when it is none, or of another edge */
export function requireImage(image: ImageRecord | undefined, pipeline: PipelineRecord): ImageRecord {
  if (!image || image.edge !== pipeline.edge) throw refusal(TEXTS.noImage);
  return image;
}

function checkedCommand(command: string): string {
  if (Buffer.byteLength(command) > COMMAND_BYTES) throw parameterError("command", "must be at most 64 KiB");
  if (command.includes("\0")) throw parameterError("command", "must not hold NUL");
  // as a job is submitted with it: its JSON has a bound too
  const input = Buffer.byteLength(JSON.stringify(commandOf(command)));
  if (input > LIMITS.inputBytes - 8 * KiB) throw parameterError("command", "has too many control characters");
  return command;
}

function minutesOf(text: string, most: number): number {
  const minutes = wholeNumber("max_duration", text);
  if (minutes >= 1 && minutes <= most) return minutes;
  throw parameterError("max_duration", `must be from 1 to ${most} minutes`);
}

function nodeOf(text: string): NodeKind {
  const kind = NODE_KINDS.find((one) => one === text.toUpperCase());
  if (kind) return kind;
  throw parameterError("node", `must be one of ${NODE_KINDS.join(", ")}`);
}
