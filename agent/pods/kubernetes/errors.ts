import { PerigeeError } from "#protocol/errors.ts";

/** The API server answered, and refused. */
export class KubernetesRefusal extends Error {
  override readonly name = "KubernetesRefusal";
  /** HTTP status */
  readonly status: number;
  /** Kubernetes' own word for it, for example `AlreadyExists` */
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** What the API server's store says of an object that it never takes: that is told as a failure of the server. */
const TOO_LARGE = /request is too large|message larger than max/;

/** Asking again would be answered the same: the object itself is refused. */
export function isForGood(error: unknown): boolean {
  if (!(error instanceof KubernetesRefusal)) return false;
  return [400, 413, 422].includes(error.status) || TOO_LARGE.test(error.message);
}

/** The refusal of an answer's body: a Status object, or whatever text there is. */
export function refusalOf(status: number, body: string): KubernetesRefusal {
  try {
    const told = JSON.parse(body) as { reason?: string; message?: string };
    return new KubernetesRefusal(status, told.reason ?? "", told.message ?? body.slice(0, 500));
  } catch {
    return new KubernetesRefusal(status, "", body.slice(0, 500));
  }
}

/** The API server does not answer: says nothing about what was asked, which may be asked again. */
export function unreachable(cause: unknown): PerigeeError {
  return new PerigeeError("ENGINE_UNAVAILABLE", "The cluster's API server does not answer", { cause });
}

/** HTTP status of a refusal; undefined for any other error. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof KubernetesRefusal ? error.status : undefined;
}

/** Undefined instead of a refusal with one of these statuses. */
export async function unless<T>(work: Promise<T>, ...statuses: number[]): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (statuses.includes(statusOf(error) ?? 0)) return undefined;
    throw error;
  }
}
