import { type ErrorCode, type Failure, PerigeeError } from "#protocol/errors.ts";
import type { ErrorShape } from "../../http/errors.ts";
import { json } from "../../http/json-answer.ts";

/** What this API answers where a request is refused: 200 with this text under `error`. */
export const TEXTS = {
  noRegistration: "Registration is closed on this ground",
  tooManyRegistrations: "Too many registrations, try again later",
  loginInUse: "Login or email is already in use",
  imageToUpdate: "You either don't have the rights to update this image, or it does not exist",
  pipelineToDelete: "You either don't have the rights to update this pipeline, or it does not exist",
  jobToUpdate: "You either don't have the rights to update this job, or it does not exist",
  jobToDelete: "You either don't have the rights to delete this job, or it does not exist",
  imageInUse: "Cannot delete an image that a queued or running job uses",
  noImage: "Image not found",
  noPipeline: "Pipeline not found",
  noJob: "Job not found",
  tooManyImages: "Too many images (100): delete some",
  tooManyPipelines: "Too many pipelines (500): delete some",
  tooManyJobs: "Too many jobs (5000): delete some",
  tooManyFilesOfJob: "Too many attachments in the job (1000)",
  tooManyFiles: "Too many attachments (20000): delete some jobs",
  tooMuchText: "The commands of your jobs are over 8 MiB together: delete some jobs",
  fullPipeline: "Too many jobs in the pipeline (100): make another",
  tooManyRuns: "A job was submitted 4096 times: make a new one",
  pipelineInUse: "Cannot delete a pipeline while its jobs are queued or running",
  jobBusy: "Cannot update a job that is queued or running",
  jobInQueue: "Cannot delete jobs in queue, try again later",
  notRunning: "Cannot kill a job that is not running",
  notCancellable: "Cannot cancel a job that is not queued or running",
  noResult: "Job has not finished running, or has failed",
  resultGone: "Something went wrong, contact your admin",
  logId: "Log id must be a number",
} as const;

/** Bodies of the statuses other than 200. */
export const STATUSES = {
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Request Entity Too Large",
  500: "Internal Server Error",
} as const;
export type RefusedStatus = keyof typeof STATUSES;

/** What Perigee's own refusals become: a status, or 200 with a text. Any other code is a fault of ours. */
export const REFUSALS: Partial<Record<ErrorCode, RefusedStatus | ((failure: Failure) => string)>> = {
  INVALID_PARAMETERS: 400,
  UNAUTHORIZED: 401,
  INVALID_CREDENTIALS: 401,
  TOO_MANY_ATTEMPTS: 401,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  QUEUE_FULL: ({ message }) => `The queue is full (${message}), try again later`,
  TOO_MANY_REQUESTS: () => "Too many requests at once, try again later",
  QUOTA_EXCEEDED: ({ message }) => `Quota exceeded: ${message}`,
  STORAGE_FULL: () => "Storage is full, try again later",
  EDGE_NOT_FOUND: () => "No edge is granted to you",
  UNSUPPORTED_OPERATION: () => "The edge cannot run jobs: update its agent",
  IDEMPOTENCY_KEY_REUSED: () => "The Idempotency-Key was used for another request",
};

/** A refusal of this API's own: 200 with `text` under `error`. */
export function refusal(text: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", text, { data: { kabuto: "refusal" } });
}

/** Is it a {@link refusal}? */
export function isRefusal({ data }: PerigeeError): boolean {
  return data?.kabuto === "refusal";
}

/** 400 with the name of the parameter and the rule that it breaks. */
export function parameterError(name: string, rule: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", `[${name}]: ${rule}`, { data: { kabuto: "parameter" } });
}

/** 400 for a text that should be a whole number, in Python's words. */
export function notAnInteger(name: string, text: string): PerigeeError {
  return parameterError(name, `invalid literal for int() with base 10: '${text.slice(0, 100)}'`);
}

/** A body of one of {@link STATUSES}. */
export function statusAnswer(status: RefusedStatus, headers: Record<string, string> = {}): Response {
  return json({ status, message: STATUSES[status] }, status, headers);
}

export const errors: ErrorShape = (failure) => {
  const { code, message, data = {} } = failure;
  if (data.kabuto === "refusal") return json({ error: message });
  if (data.kabuto === "parameter") return json({ message }, 400);
  const worded = REFUSALS[code] ?? 500;
  if (typeof worded === "function") return json({ error: worded(failure) });
  // headers are parameters too, and Perigee's own rules name them so
  const [, header, rule] = /^(Perigee-Edge|Idempotency-Key): (.*)$/s.exec(message) ?? [];
  if (worded === 400 && header) return json({ message: `[${header}]: ${rule}` }, 400);
  const headers: Record<string, string> = {};
  if (Array.isArray(data.allow)) headers.allow = data.allow.join(", ");
  if (typeof data.retryAfter === "number") headers["retry-after"] = String(Math.ceil(data.retryAfter));
  return statusAnswer(worded, headers);
};
