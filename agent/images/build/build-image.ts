import type { ImageName } from "#protocol/image-reference.ts";
import type { Directory } from "../../files/directory.ts";
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

/** Errors of a build that are the payload's own. */
export const BUILD_ERRORS = [ContextError, DockerfileError, IgnoreError, TreeTooLarge, FileShrank];

/** Builds an image from a context and a Dockerfile in a volume or in staged files. @throws PerigeeError BUILD_FAILED with `log_tail` */
export function buildImage(store: ImageStore, deps: ImageDeps): OperationHandler<"image.build"> {
  return makeImage<"image.build", BuildSource>(store, deps, {
    code: "BUILD_FAILED",
    message: "Docker build failed",
    errors: BUILD_ERRORS,
    prepare: (context) => openSource(deps, context),
    make: ({ command, input, progress }, image, tail, signal, { directory }) =>
      store.building(() =>
        buildFrom(
          { store, deps, tail, signal, image },
          {
            command,
            input,
            progress,
            directory,
            context: input.context,
            resolve: baseResolver(store, command.user, input),
          },
        ),
      ),
  });
}

type BuildParts = {
  store: ImageStore;
  deps: ImageDeps;
  tail: LogTail;
  signal: AbortSignal;
  image: ImageName;
};

/** What is built: a Dockerfile given as bytes, or one in the directory. */
type BuildJob = Pick<OperationContext, "progress"> & {
  command: { id: string; user: string };
  input: { space?: string | undefined; noCache?: boolean | undefined; dockerfile?: string };
  dockerfile?: Buffer;
  /** undefined: there is none */
  directory: Directory | undefined;
  /** in the directory */
  context: string;
  /** what a name in the Dockerfile means */
  resolve(reference: string): Promise<{ id: string } | undefined>;
};

/** A step that the engine had in its cache went away under the build: another agent of this engine has removed it. */
const LOST_STEP = /^unable to find image "sha256:/;

/** Builds an image under the command's temporary name. @returns its ID */
export async function buildFrom(parts: BuildParts, job: BuildJob): Promise<string> {
  try {
    return await buildOnce(parts, job, { again: false });
  } catch (error) {
    const lostStep = error instanceof ImageWorkFailed && LOST_STEP.test(error.message);
    if (!lostStep || job.input.noCache) throw error;
    return buildOnce(parts, job, { again: true });
  }
}

/** @param options.again without the engine's cache; what is noted of the context was noted the first time */
async function buildOnce(parts: BuildParts, job: BuildJob, { again }: { again: boolean }): Promise<string> {
  const { store, deps, tail, signal, image } = parts;
  const { command, input, progress, directory } = job;
  const { user } = command;
  progress({ phase: "preparing" });
  using _ = store.holdParts();
  using context = openContext(directory, job.context);
  const dockerfile = job.dockerfile ?? readDockerfileFrom(directory!, input.dockerfile ?? "Dockerfile");
  const plan = await planBuild(dockerfile, {
    ...(await store.platform()),
    resolve: job.resolve,
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
      if (!again && input.space === undefined) for (const line of lines) tail.keep(line);
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
      bases: plan.bases,
      maxBytes: deps.budget.quota,
      noCache: again || (input.noCache ?? false),
      ...(deps.measure && { measure: deps.measure }),
      onLine: (line) => log.add(line),
    });
  } finally {
    // the walker reads through the open context until then
    packed.stream.destroy();
    await closed;
  }
}
