import { runnerId } from "#protocol/runners.ts";

const RUN = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** Is this a run's id, the ULID of its pod/run command, so that it may be part of a name or a path? */
export function isRunId(text: string): boolean {
  return RUN.test(text);
}

/** Is this the id of a runner, which is a run without a command? */
export function isRunnerId(text: string): boolean {
  return runnerId.safeParse(text).success;
}
