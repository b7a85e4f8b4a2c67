import type Docker from "dockerode";
import { engineCall, engineTry, isEngineError, messageOf } from "../../engine/engine-call.ts";
import { ImageMissing } from "../../pods/pod-runtime.ts";
import { engineEvents } from "../docker/engine-events.ts";
import { unavailable } from "./registry-client.ts";

/** A name of an image in the engine that makes it go to a registry: `host:port/repository` and `tag`. */
export type PushName = { repo: string; tag: string };

/**
 * Pushes an image under a name that it has for as long as that takes.
 * @param password `user:password` for the registry
 * @throws ImageMissing; PerigeeError REGISTRY_UNAVAILABLE, ENGINE_UNAVAILABLE; the signal's reason
 */
export async function pushImage(
  docker: Docker,
  imageId: string,
  name: PushName,
  password: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const tagged = await engineTry(
    () =>
      docker
        .getImage(imageId)
        .tag(name)
        .then(() => true),
    404,
  );
  if (tagged === undefined) throw new ImageMissing(`the engine has no image ${imageId}`);
  try {
    await push(docker, name, password, signal);
  } finally {
    await untag(docker, name);
  }
}

async function push(
  docker: Docker,
  { repo, tag }: PushName,
  password: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  let failure: string | undefined;
  try {
    const answer = await engineCall(() =>
      docker.getImage(repo).push({ tag, authconfig: authOf(repo, password), abortSignal: signal }),
    );
    // a push that fails says so in the middle of a 200
    for await (const event of engineEvents(answer as AsyncIterable<unknown>)) {
      failure ??= event.errorDetail?.message ?? event.error;
    }
    if ((answer as { complete?: boolean }).complete === false) failure ??= "the answer broke off";
  } catch (error) {
    signal.throwIfAborted();
    if (isEngineError(error, 404)) throw new ImageMissing(messageOf(error));
    if (!isEngineError(error)) throw error;
    failure = messageOf(error);
  }
  signal.throwIfAborted();
  if (failure !== undefined) throw unavailable(failure);
}

/** Takes the name away again; the image goes with it when it has lost all others meanwhile. */
export async function untag(docker: Docker, { repo, tag }: PushName): Promise<void> {
  await engineTry(() => docker.getImage(`${repo}:${tag}`).remove(), 404, 409);
}

function authOf(repo: string, password: string | undefined) {
  const colon = password?.indexOf(":") ?? -1;
  return {
    username: password?.slice(0, colon) ?? "",
    password: password?.slice(colon + 1) ?? "",
    serveraddress: repo.slice(0, repo.indexOf("/")),
  };
}
