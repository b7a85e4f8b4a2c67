import type { ImageName } from "#protocol/image-reference.ts";
import { FileShrank } from "../../files/read-exactly.ts";
import { TreeTooLarge } from "../../files/walk-tree.ts";
import type { OperationContext, OperationHandler } from "../../operation.ts";
import { DockerfileError } from "../dockerfile/error.ts";
import { planBuild } from "../dockerfile/plan.ts";
import type { ImageDeps } from "../image-deps.ts";
import { type ImageStore, ImageWorkFailed } from "../image-store.ts";
import type { LogTail } from "../log-tail.ts";
import { makeImage } from "../make-image.ts";
import { baseResolver } from "./base-resolver.ts";
import { ContextError, openContext, packContext, readDockerfileFrom } from "./build-context.ts";
import { BuildLog } from "./build-log.ts";
import { type BuildSource, openSource } from "./build-source.ts";
import { IgnoreError } from "./ignore-file.ts";

type BuildContext = OperationContext<"image.build">;

/** Builds an image from a context and a Dockerfile in a volume or in staged files. @throws PerigeeError BUILD_FAILED with `log_tail` */
export function buildImage(store: ImageStore, deps: ImageDeps): OperationHandler<"image.build"> {
  return makeImage<"image.build", BuildSource>(store, deps, {
    code: "BUILD_FAILED",
    message: "Docker build failed",
    errors: [ContextError, DockerfileError, IgnoreError, TreeTooLarge, FileShrank],
    prepare: (context) => openSource(deps, context),
    make: (context, image, tail, stop, source) =>
      store.building(() => build(store, deps, context, image, tail, stop, source)),
  });
}

/** A step that the engine had in its cache went away under the build: another agent of this engine has removed it. */
const LOST_STEP = /^unable to find image "sha256:/;

async function build(
  ...work: [ImageStore, ImageDeps, BuildContext, ImageName, LogTail, AbortSignal, BuildSource]
): Promise<string> {
  const noCache = work[2].input.noCache ?? false;
  try {
    return await buildOnce(...work, { noCache, notes: true });
  } catch (error) {
    if (noCache || !(error instanceof ImageWorkFailed) || !LOST_STEP.test(error.message)) throw error;
    return buildOnce(...work, { noCache: true, notes: false });
  }
}

async function buildOnce(
  store: ImageStore,
  deps: ImageDeps,
  building: BuildContext,
  image: ImageName,
  tail: LogTail,
  signal: AbortSignal,
  source: BuildSource,
  { noCache, notes }: { noCache: boolean; notes: boolean },
): Promise<string> {
  const { command, input, progress } = building;
  const { user } = command;
  progress({ phase: "preparing" });
  using _ = store.holdParts();
  using context = openContext(source.directory, input.context);
  const dockerfile = readDockerfileFrom(source.directory!, input.dockerfile);
  const plan = await planBuild(dockerfile, {
    ...(await store.platform()),
    resolve: baseResolver(store, user, input),
    inspect: (id) => store.inspect(id),
    withoutTriggers: (id) => store.withoutTriggers(user, id),
    label: store.label(user),
  });
  const log = new BuildLog({
    steps: plan.steps,
    label: store.label(user),
    temporaryName: store.temporaryName(command.id),
    // what a dialect makes has names of the dialect's own
    ...(input.space === undefined && { image: `${image.name}:${image.tag}` }),
    onLine: (line) => tail.add(line),
    onStep: (done, total) => progress({ phase: "building", done, total, unit: "steps" }),
  });
  const packed = packContext(context, plan.text, {
    signal,
    maxBytes: deps.budget.quota,
    note: (lines) => {
      // what a dialect shows of its builds is what the engine says
      if (notes && input.space === undefined) for (const line of lines) tail.keep(line);
    },
  });
  // A cancel may come before anybody reads it: who reads it then is told, nobody else need be.
  packed.stream.on("error", () => {});
  progress({ phase: "building" });
  const closed = new Promise((resolve) => packed.stream.once("close", resolve));
  try {
    return await store.build({
      command: command.id,
      user,
      signal,
      context: packed.stream,
      dockerfile: packed.dockerfile,
      maxBytes: deps.budget.quota,
      noCache,
      ...(deps.measure && { measure: deps.measure }),
      onLine: (line) => log.add(line),
    });
  } finally {
    // the walker reads through the open context until then
    packed.stream.destroy();
    await closed;
  }
}
