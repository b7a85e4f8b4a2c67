import type Docker from "dockerode";
import { LABEL } from "../labels.ts";
import type { ListedRun } from "../pod-runtime.ts";

/** What the engine's list says of a container: whose it is, and how far. */
export function listedOf({ Labels, State }: Docker.ContainerInfo): Pick<ListedRun, "user" | "pod" | "phase"> {
  const running = ["running", "paused", "restarting"].includes(State);
  const phase = State === "created" ? "created" : running ? "running" : "ended";
  return { user: Labels[LABEL.user] ?? "", pod: Labels[LABEL.pod] ?? "", phase };
}
