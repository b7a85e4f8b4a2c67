import type Docker from "dockerode";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import { engineCall, isEngineError, messageOf, unavailable } from "../../engine/engine-call.ts";

const MOST_MS = 120_000;
/** What a program said that is kept: its end. */
const KEPT = 4_000;

/**
 * Runs a program in a container of an image, without network, and removes it again.
 * @returns why it failed; undefined when it ended well
 * @throws PerigeeError ENGINE_UNAVAILABLE
 */
export async function tryOut(
  docker: Docker,
  { imageId, argv, labels }: { imageId: string; argv: readonly string[]; labels: Record<string, string> },
): Promise<string | undefined> {
  const [program = "", ...args] = argv;
  let said = "";
  try {
    const container = await engineCall(() =>
      docker.createContainer({
        Image: imageId,
        Entrypoint: [program],
        Cmd: args,
        // stdout and stderr in one
        Tty: true,
        Labels: labels,
        HostConfig: {
          // an agent that dies leaves nothing
          AutoRemove: true,
          NetworkMode: "none",
          Memory: 1024 * MiB,
          PidsLimit: 256,
          CapDrop: ["ALL"],
          SecurityOpt: ["no-new-privileges"],
        },
      }),
    );
    const output = await container.attach({ stream: true, stdout: true, stderr: true });
    output.on("data", (chunk: Buffer) => {
      said = (said + chunk).slice(-KEPT);
    });
    const removed = container.wait({ condition: "removed" }) as Promise<{ StatusCode: number }>;
    // awaited only after a start that succeeded; without this a failed start leaves an unhandled rejection
    removed.catch(() => undefined);
    try {
      await container.start();
    } catch (error) {
      await container.remove({ force: true }).catch(() => undefined);
      throw error;
    }
    const timer = setTimeout(() => void container.kill().catch(() => undefined), MOST_MS);
    const { StatusCode } = await removed.finally(() => clearTimeout(timer));
    if (StatusCode === 0) return undefined;
    return said.trim().split("\n").at(-1)?.trim() || `${program} ended with ${StatusCode}`;
  } catch (error) {
    if (isEngineError(error)) return messageOf(error);
    throw error instanceof PerigeeError ? error : unavailable(error);
  }
}
