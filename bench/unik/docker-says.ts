import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { program } from "../program.ts";

/**
 * What docker's client answers. Not awaited in one piece, as a process that does nothing else meanwhile does not see
 * that connections of its own are closed.
 */
export async function dockerSays(words: readonly string[], input = ""): Promise<string> {
  // the builder that the agent asks too
  const env = { ...process.env, DOCKER_BUILDKIT: "0" };
  const docker = spawn(program("docker"), words, { env, stdio: ["pipe", "pipe", "pipe"] });
  docker.stdin.on("error", () => undefined).end(input);
  const ended = new Promise<number | null>((resolve) => docker.once("close", resolve));
  const [out, error, code] = await Promise.all([text(docker.stdout), text(docker.stderr), ended]);
  if (code !== 0) throw new Error(`docker ${words[0]}: ${error}`);
  return out.trim();
}
