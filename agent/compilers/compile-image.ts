import fs from "node:fs";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import type { Directory } from "../files/directory.ts";
import { atFreeSpaceFloor, diskFullOr } from "../files/free-space.ts";
import { withOnlyFile } from "../files/only-file.ts";
import { removeTree } from "../files/remove-tree.ts";
import { unpack } from "../files/unpack.ts";
import { baseResolver } from "../images/build/base-resolver.ts";
import { BUILD_ERRORS, buildFrom } from "../images/build/build-image.ts";
import type { ImageDeps } from "../images/image-deps.ts";
import type { ImageStore } from "../images/image-store.ts";
import type { LogTail } from "../images/log-tail.ts";
import { isDeadline, makeImage } from "../images/make-image.ts";
import { takePlace } from "../images/take-place.ts";
import type { OperationContext, OperationHandler } from "../operation.ts";
import { type Compiler, TOOLCHAIN, type Toolchains } from "./compiler.ts";
import { COMPILERS } from "./compilers.ts";
import type { FailedBuild } from "./failed-builds.ts";
import { openSources } from "./open-sources.ts";

type Context = OperationContext<"image.compile">;
type Unpacked = AsyncDisposable & {
  directory: Directory;
  leftOut: readonly string[];
  /** where {@link UNPACKED} is */
  place: Directory;
};

export type CompileDeps = ImageDeps & {
  /** IDs of the images with the tools, as the agent's configuration names them */
  toolchains: Toolchains;
  /** does this edge run pods with the provider? */
  hasProvider(provider: string): boolean;
  /**
   * Keeps what a failed build left for the operator; default: nothing is kept.
   * @throws PerigeeError when there is no room for it
   */
  keepFailed?(failed: FailedBuild): Promise<void>;
};

/** Beside the archive, in the place of the command: what is kept of a failed build, as its operator finds it. */
const UNPACKED = ".perigee-sources";
const SOURCES = "sources";
const LOG = "log";
/** Of what is left out of an archive, so many lines are in the log. */
const MOST_LINES = 50;

/**
 * Makes an image from staged sources: a compiler turns them into a Dockerfile, which is built as any other. Once it has
 * its name, what it takes the place of is removed.
 * @throws PerigeeError NOT_SUPPORTED, SOURCES_REFUSED; BUILD_FAILED with `log_tail` and `reason`
 */
export function compileImage(store: ImageStore, deps: CompileDeps): OperationHandler<"image.compile"> {
  const make = makeImage<"image.compile", Unpacked>(store, deps, {
    code: "BUILD_FAILED",
    message: "The sources do not compile",
    errors: BUILD_ERRORS,
    mostPorts: LIMITS.instancePorts,
    prepare: (context) => unpackSources(deps, context),
    async make(context, image, tail, signal, { directory, leftOut }) {
      const { input, command } = context;
      const compiler = compilerOf(input, deps);
      for (const line of leftOut) tail.keep(line);
      const dockerfile = Buffer.from(compiler.dockerfile(openSources(directory, input)));
      const toolchain = await toolchainOf(store, deps, compiler);
      const { space, bases = {} } = input;
      const named = baseResolver(store, command.user, { space, bases });
      killPoint("compile.unpacked");
      return store.building(() =>
        buildFrom(
          { store, deps, tail, signal, image },
          {
            ...{ command, input: { ...input, noCache: false }, dockerfile },
            ...{ directory, context: "", progress: context.progress },
            resolve: async (reference) => (reference === TOOLCHAIN ? toolchain : named(reference)),
          },
        ),
      );
    },
    failed: (context, error, tail, unpacked) => keepFailed(deps, context, { error, tail, unpacked }),
  });
  return async (context) => {
    compilerOf(context.input, deps);
    await make(context);
    return takePlace(store, deps, context);
  };
}

/** @throws PerigeeError NOT_SUPPORTED */
function compilerOf({ base, language, provider }: Context["input"], deps: CompileDeps): Compiler {
  const found = COMPILERS.find((one) => one.base === base && one.language === language);
  if (found?.providers.includes(provider) && deps.hasProvider(provider)) return found;
  throw new PerigeeError("NOT_SUPPORTED", `The edge has no compiler ${base}-${language}-${provider}`);
}

/** @throws PerigeeError NOT_SUPPORTED */
async function toolchainOf(store: ImageStore, { toolchains }: CompileDeps, { toolchain }: Compiler) {
  if (toolchain === undefined) return undefined;
  const id = toolchains[toolchain];
  if (id !== undefined && (await store.inspect(id))) return { id };
  throw new PerigeeError("NOT_SUPPORTED", `The edge has no image with the tools for ${toolchain}`);
}

/** Keeps what was asked to be kept of a build that failed by itself or at its deadline; the log says when it cannot be. */
async function keepFailed(
  { keepFailed }: CompileDeps,
  { input, command, signal }: Context,
  { error, tail, unpacked }: { error: unknown; tail: LogTail; unpacked: Unpacked },
): Promise<void> {
  if (!input.noCleanup || !keepFailed || (signal.aborted && !isDeadline(signal.reason))) return;
  try {
    const { message } = error as Error;
    using directory = unpacked.place.openDirectory(UNPACKED);
    const text = `${tail.lines().join("")}failed: ${message}\n`;
    fs.writeFileSync(directory.at(LOG), text, { mode: 0o600, flush: true });
    await keepFailed({ user: command.user, command: command.id, from: unpacked.place, name: UNPACKED });
  } catch (reason) {
    tail.keep(`no_cleanup: the sources are not kept: ${(diskFullOr(reason) as Error).message}`);
  }
}

/** Receives and unpacks the sources, and then waits for what building takes. */
async function unpackSources(deps: CompileDeps, context: Context): Promise<Unpacked> {
  const staged = await deps.receiveStaged(context);
  let directory: Directory | undefined;
  try {
    // of an attempt that was cut short
    await removeTree(staged.directory, UNPACKED, context.signal);
    const leftOut: string[] = [];
    const made = await withOnlyFile(staged.directory, async (fd) => {
      using unpacked = staged.directory.makeDirectory(UNPACKED, 0o700);
      const target = unpacked.makeDirectory(SOURCES, 0o700);
      directory = target;
      context.progress({ phase: "unpacking" });
      await unpack(fd, target, {
        signal: context.signal,
        maxBytes: deps.budget.quota,
        access: "own",
        leftOut: (line) => {
          if (leftOut.length < MOST_LINES) leftOut.push(line);
        },
        assertRoom: (bytes) => {
          if ((deps.room?.() ?? Number.POSITIVE_INFINITY) < bytes) throw atFreeSpaceFloor();
        },
      });
      return target;
    });
    await context.acquire(context.signal);
    return {
      directory: made,
      leftOut,
      place: staged.directory,
      async [Symbol.asyncDispose]() {
        made.close();
        await staged[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    directory?.close();
    await staged[Symbol.asyncDispose]();
    throw error;
  }
}
