import { addAbortSignal, type Readable } from "node:stream";
import type Docker from "dockerode";
import { isConnectionError, isEngineError, messageOf, unavailable } from "../../engine/engine-call.ts";
import { type BuildWork, ImageWorkFailed, type LoadWork, type Work } from "../image-store.ts";
import { engineEvents, LineJoiner } from "./engine-events.ts";

export type BuildLimits = {
  /** name that the image is to have */
  name: string;
  /** bytes */
  memory: number;
  cpus: number;
  /** of the steps' containers */
  cgroupParent: string;
  /** of the engine, which names it in some errors */
  rootDirectory: string | undefined;
};

const CPU_PERIOD = 100_000;

/**
 * Builds with the engine's classic builder: no network, nothing pulled, limits on each step.
 * @throws ImageWorkFailed, ENGINE_UNAVAILABLE, the signal's reason, the context stream's error
 */
export async function runBuild(docker: Docker, work: BuildWork, limits: BuildLimits): Promise<void> {
  const options = { cgroupparent: limits.cgroupParent };
  await follow(work, work.context, limits.rootDirectory, (signal) =>
    docker.buildImage(work.context, {
      ...options,
      // the classic builder: BuildKit would fetch frontends and bases by itself
      version: "1",
      t: limits.name,
      dockerfile: work.dockerfile,
      networkmode: "none",
      nocache: work.noCache ?? false,
      rm: true,
      forcerm: true,
      memory: limits.memory,
      memswap: limits.memory,
      cpuperiod: CPU_PERIOD,
      cpuquota: Math.round(limits.cpus * CPU_PERIOD),
      abortSignal: signal,
    }),
  );
}

/** Loads an archive. @throws as {@link runBuild} */
export async function runLoad(docker: Docker, work: LoadWork): Promise<void> {
  await follow(work, work.archive, undefined, (signal) =>
    docker.loadImage(work.archive, { quiet: true, abortSignal: signal }),
  );
}

/** The archive of an image as the engine saves it. @throws ENGINE_UNAVAILABLE, the signal's reason */
export async function* savedImage(docker: Docker, id: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    const answer = await docker.getImage(id).get();
    addAbortSignal(signal, answer as Readable);
    yield* answer as AsyncIterable<Buffer>;
    if ((answer as { complete?: boolean }).complete === false) throw unavailable("the answer broke off");
  } catch (error) {
    signal.throwIfAborted();
    throw isConnectionError(error) ? unavailable(error) : error;
  }
}

/** Sends `body` and reads every event of the answer: the engine tells a failure in the middle of a 200. */
async function follow(
  work: Work,
  body: NodeJS.ReadableStream,
  root: string | undefined,
  send: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>,
): Promise<void> {
  const { signal } = work;
  const stop = new AbortController();
  // one that failed before says so no more
  let bodyError: unknown = (body as Readable).errored ?? undefined;
  body.once("error", (error) => {
    bodyError = error;
    stop.abort();
  });
  const say = (line: string) => work.onLine(withoutHostPaths(line, root));
  const lines = new LineJoiner(say);
  let failure: string | undefined;
  try {
    signal.throwIfAborted();
    if (bodyError !== undefined) throw bodyError;
    // leaving the connection is what makes the engine stop
    const answer = await send(AbortSignal.any([signal, stop.signal]));
    for await (const event of engineEvents(answer as AsyncIterable<unknown>)) {
      if (event.stream !== undefined) lines.add(event.stream);
      if (event.status !== undefined) lines.add(`${event.status}\n`);
      failure ??= event.errorDetail?.message ?? event.error;
    }
    if ((answer as { complete?: boolean }).complete === false) throw unavailable("the answer broke off");
  } catch (error) {
    lines.end();
    if (signal.aborted) throw signal.reason;
    if (bodyError !== undefined) throw bodyError;
    if (isEngineError(error)) failure = messageOf(error);
    else throw isConnectionError(error) ? unavailable(error) : error;
  } finally {
    (body as { destroy?: () => void }).destroy?.();
  }
  signal.throwIfAborted();
  if (bodyError !== undefined) throw bodyError;
  lines.end();
  if (failure === undefined) return;
  for (const line of failure.split("\n")) say(line);
  throw new ImageWorkFailed(failure);
}

/** The engine names its own directories in some errors: nothing for users. */
function withoutHostPaths(line: string, root: string | undefined): string {
  if (!root || root === "/" || !line.includes(root)) return line;
  return line
    .split(root)
    .map((part, i) =>
      i === 0 ? part : part.replace(/^\/(?:tmp\/docker-builder\d+|overlay2\/[^/\s]+\/(?:merged|diff))/, ""),
    )
    .join("");
}
