import { killPoint } from "#protocol/kill-point.ts";
import { inSpace } from "#protocol/names.ts";
import type { ResultOf } from "#protocol/operations.ts";
import type { OperationContext } from "../operation.ts";
import { imageNameOf } from "./image-commit.ts";
import type { ImageDeps } from "./image-deps.ts";
import type { ImageStore } from "./image-store.ts";

type Made = "image.compile" | "image.import";

/** An image that has its name takes the place of another, with its pods. @returns what was made */
export async function takePlace(
  store: ImageStore,
  deps: Pick<ImageDeps, "removePod">,
  { command, input, signal }: Pick<OperationContext<Made>, "command" | "input" | "signal">,
): Promise<ResultOf<Made>> {
  const { user } = command;
  const made = await store.resolve(inSpace(user, input.space), input.image);
  const details = made && (await store.inspect(made.id));
  if (!details) throw new Error("the image that was made is not there");
  killPoint("images.replaces");
  for (const pod of input.replaces?.pods ?? []) await deps.removePod(user, pod, signal);
  if (input.replaces?.image !== undefined) {
    await store.remove(inSpace(user, input.space), imageNameOf(input.replaces.image, input.space));
  }
  return { bytes: details.size, ports: details.ports };
}
