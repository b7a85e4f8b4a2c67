import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { removeContainer, runContainer, usableImage } from "./container-mode.ts";
import { freePort } from "./free-port.ts";
import { answers, startOnHost, stopOnHost } from "./host-mode.ts";
import { ensureInstalled, isInstalled } from "./install.ts";
import { ensureLambdaImage } from "./lambda-runtime.ts";

export type LocalStack = {
  /** `http://127.0.0.1:<port>`, for AWS_ENDPOINT_URL */
  endpoint: string;
  /** ends it and everything it started; its directory stays */
  stop(): Promise<void>;
};

export type LocalStackOptions = {
  /** where its state, log and pid file go; made when missing */
  dir: string;
  /** default: a free one */
  port?: number;
  /** Lambdas will run in it (default false): makes the image they run in, in host mode */
  lambdas?: boolean;
  /** further settings of LocalStack */
  env?: Record<string, string>;
  say?: (line: string) => void;
};

/**
 * Starts a LocalStack of one's own. In this order: the one that LOCALSTACK_ENDPOINT names (never stopped from
 * here); its container, when the image is there; what was installed from PyPI before; its container, when the
 * image can be pulled; an install from PyPI. LOCALSTACK_MODE=host or =container decides otherwise.
 * @throws Error that says what failed
 */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const say = options.say ?? (() => {});
  const given = process.env.LOCALSTACK_ENDPOINT;
  if (given) return { endpoint: given.replace(/\/+$/, ""), stop: async () => {} };

  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const port = options.port ?? (await freePort());
  if (await answers(port)) throw new Error(`port ${port} is taken by another LocalStack`);
  const endpoint = `http://127.0.0.1:${port}`;
  const started = performance.now();
  const image = await chosenImage(say);
  if (image !== undefined) {
    const name = await runContainer({ image, port, env: options.env ?? {} });
    say(`localstack: container ${name} answers at ${endpoint}`);
    return { endpoint, stop: () => removeContainer(name) };
  }
  if (options.lambdas) await ensureLambdaImage(say);
  const { pid } = await startOnHost({ dir, port, env: options.env ?? {} }, say);
  say(
    `localstack: process ${pid} answers at ${endpoint} after ${Math.round(performance.now() - started)} ms`,
  );
  return { endpoint, stop: () => stopOnHost(dir) };
}

/** Makes or fetches beforehand what {@link startLocalStack} with Lambdas takes on this machine. */
export async function prepareLocalStack(say: (line: string) => void): Promise<void> {
  if (process.env.LOCALSTACK_ENDPOINT || (await chosenImage(say)) !== undefined) return;
  await ensureInstalled(say);
  await ensureLambdaImage(say);
}

/** The image to run, or undefined for host mode. */
async function chosenImage(say: (line: string) => void): Promise<string | undefined> {
  const mode = process.env.LOCALSTACK_MODE;
  if (mode === "host") return undefined;
  const image = await usableImage({ pull: mode === "container" || !isInstalled(), say });
  if (mode === "container" && image === undefined)
    throw new Error("there is no image of LocalStack to be had");
  return image;
}

/** Stops what {@link startLocalStack} started with this directory, from another process. */
export async function stopLocalStack(dir: string): Promise<void> {
  if (existsSync(dir)) await stopOnHost(resolve(dir));
}
