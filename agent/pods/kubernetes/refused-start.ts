import { NotStartedYet, StartFailure } from "../pod-runtime.ts";
import { isForGood, statusOf } from "./errors.ts";

/** What a refused creation means: the quota is used up, it is too early, or the payload is no pod at all. */
export function refusedStart(error: unknown): unknown {
  const status = statusOf(error);
  const message = error instanceof Error ? error.message : "";
  if (status === 403 && /exceeded quota/.test(message)) {
    const told = message.replace(/^.*exceeded quota: [^,]*, /s, "");
    return new NotStartedYet("Unschedulable", `Your pods would use more than they may together: ${told}`);
  }
  if (
    status === 403 &&
    /status unknown for quota|serviceaccount .* not found|being terminated/.test(message)
  ) {
    return new NotStartedYet("ContainerCreating");
  }
  if (isForGood(error)) return new StartFailure("the cluster refuses the pod as it was asked for");
  return error;
}
