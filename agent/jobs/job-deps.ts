import type { Logger } from "pino";
import type { Budget } from "../budget/budget.ts";
import type { PodManager } from "../pods/pod-manager.ts";
import type { Volumes } from "../volumes/volumes.ts";
import type { FailedSubmissions } from "./failed-submissions.ts";

/** What the parts that carry out jobs share. */
export type JobDeps = {
  volumes: Volumes;
  pods: PodManager;
  /** gives out the user's quota */
  budget: Budget;
  failures: FailedSubmissions;
  log: Logger;
};
