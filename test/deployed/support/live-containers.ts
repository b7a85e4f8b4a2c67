import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inject } from "vitest";
import { Child } from "../../../scripts/child.ts";
import { emulatorEnv } from "../../../scripts/cloud/emulator-env.ts";
import { groundImage } from "../../../scripts/ground-image.ts";

const GRACE_MS = 30_000;

export type LiveContainer = {
  url: string;
  /** as a new version does: it is told to stop, and waited for */
  stop(): Promise<void>;
};

/**
 * What the live container runs (infra/live-stack.ts): the image's own files and environment, on what was deployed.
 * @param environment as the Lambdas have it (infra/ground-environment.ts)
 */
export async function liveContainers(directory: string, environment: Record<string, string>) {
  const { endpoint } = inject("deployed");
  const image = await groundImage(join(directory, "ground"));
  const { env: own, entry } = readDockerfile(join(image, "Dockerfile"));
  const running: Child[] = [];
  return {
    async start(name: string): Promise<LiveContainer> {
      const data = join(directory, name);
      mkdirSync(data);
      const env = {
        PATH: process.env.PATH,
        ...own,
        ...environment,
        ...emulatorEnv(endpoint),
        PERIGEE_DATA: data,
        PERIGEE_HOST: "127.0.0.1",
        PERIGEE_PORT: "0",
      };
      const child = await Child.start(name, [join(image, "app", entry)], env, (line) => {
        if (process.env.PERIGEE_TEST_LOG) console.error(`${name} | ${line}`);
      });
      running.push(child);
      const { url } = (await child.ready) as { url: string };
      return {
        url,
        async stop() {
          const { code } = await child.stop(GRACE_MS);
          if (code !== 0) throw new Error(`${name} ended with ${code}`);
        },
      };
    },
    async close() {
      await Promise.all(running.map((child) => child.stop(GRACE_MS)));
    },
  };
}

/** Its variables, and the program that it starts. */
function readDockerfile(path: string): { env: Record<string, string>; entry: string } {
  const text = readFileSync(path, "utf8");
  const pairs = [...text.matchAll(/^ENV (.+)$/gm)].flatMap(([, line]) => line!.split(" "));
  const [, entry] = /^ENTRYPOINT .*"\/opt\/perigee\/([^"]+)"\]$/m.exec(text)!;
  return { env: Object.fromEntries(pairs.map((pair) => pair.split("=") as [string, string])), entry: entry! };
}
