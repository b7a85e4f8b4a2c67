import type Docker from "dockerode";
import { containerName } from "../../pods/docker/names.ts";
import { ProgramSessions } from "../program-sessions.ts";
import { DockerExec } from "./docker-exec.ts";

/** Sessions in the containers of a DockerRuntime with the same engine, instance and prefix. */
export function dockerSessions({
  docker,
  instance,
  prefix = "perigee",
}: {
  docker: Docker;
  instance: string;
  prefix?: string;
}): ProgramSessions {
  return new ProgramSessions(
    new DockerExec({ docker, instance, nameOf: (run) => containerName(prefix, run) }),
  );
}
