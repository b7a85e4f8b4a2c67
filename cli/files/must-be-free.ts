import { lstat } from "node:fs/promises";
import { CliFailure } from "../failure.ts";

/** @throws CliFailure LOCAL_FILE when something is at the path */
export async function mustBeFree(target: string): Promise<void> {
  if (!(await lstat(target).catch(() => undefined))) return;
  throw new CliFailure("LOCAL_FILE", `${target} exists already`, {
    hint: "move it away, or name another place with -o",
  });
}
