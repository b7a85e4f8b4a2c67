import type { Logger } from "pino";
import type { OperationName } from "#protocol/operations.ts";
import { changedBy } from "./after-change.ts";
import { later } from "./background.ts";
import { compileImage } from "./compilers/compile-image.ts";
import { fpgaHandlers } from "./fpga/store/fpga-handlers.ts";
import type { ImageDeps } from "./images/image-deps.ts";
import { imageHandlers } from "./images/image-handlers.ts";
import type { JobDeps } from "./jobs/job-deps.ts";
import { jobHandlers } from "./jobs/job-handlers.ts";
import type { Holdings } from "./open-holdings.ts";
import type { Reporting } from "./open-reporting.ts";
import type { OperationHandlers } from "./operation.ts";
import { podHandlers } from "./pods/pod-handlers.ts";
import type { Runners } from "./runners/runners.ts";
import { volumeHandlers } from "./volumes/handlers.ts";
import { discardScratch, receiveScratch } from "./volumes/scratch.ts";

/** What each operation does, of all rooms. */
export function handlersOf(
  { volumes, images, pods, runtimes, fpga, devices, toolchains, disks, failedBuilds }: Holdings,
  reporting: Reporting,
  jobs: JobDeps,
  runners: Runners | undefined,
): OperationHandlers {
  const { budget, commandLogs, usage } = reporting;
  const imageDeps: ImageDeps = {
    openVolume: (user, volume) => volumes.open(user, volume),
    receiveStaged: (context) =>
      receiveScratch(volumes, context, {
        reserve: (bytes) => budget.reserve(context.command.user, bytes),
        // an image is made of it, or it is received again
        isDurable: false,
      }),
    discardStaged: (command) => discardScratch(volumes, command, false),
    budget,
    isImageInUse: async (user, name, tag) =>
      pods.isImageInUse(user, name, tag) || (runners?.isImageInUse(user, name, tag) ?? false),
    removePod: (user, pod, signal) => pods.remove(user, pod, signal),
    room: () => volumes.room(),
    measure: (directory) => volumes.measurePath(directory),
    openLog: (command) => commandLogs.open(command),
  };
  return {
    ...volumeHandlers(volumes, {
      isVolumeInUse: (user, volume) => pods.isVolumeInUse(user, volume),
      isDiskInUse: (user, volume) => pods.isDiskInUse(user, volume),
      budget,
      disks,
    }),
    ...imageHandlers(images, imageDeps),
    "image.compile": compileImage(images, {
      ...imageDeps,
      toolchains,
      hasProvider: (provider) => runtimes.has(provider),
      keepFailed: async (failed) => {
        await failedBuilds.keep(failed, budget);
        later("a measurement", jobs.log, () => usage.measure(failed.user));
      },
    }),
    ...jobHandlers(jobs),
    ...fpgaHandlers({
      store: fpga,
      budget,
      removed: (user, image) => devices.forgetLoads(user, image),
    }),
    ...podHandlers(pods, {
      ensureVolume: (user, volume) => volumes.ensure(user, volume),
      hasVolume: (user, volume) => volumes.exists(user, volume),
    }),
  };
}

/** What others look at again after an operation that succeeded. */
export function afterChange(
  { images, handover, pods, runtimes }: Holdings,
  { usage }: Reporting,
  log: Logger,
  runners: Runners | undefined,
) {
  return (operation: OperationName, user: string): void => {
    const of = changedBy(operation);
    if (of.images) {
      pods.imagesChanged();
      runtimes.imagesChanged();
      runners?.imagesChanged();
    }
    if (of.usage) later("a measurement", log, () => usage.measure(user));
    if (handover && of.ownImages) {
      later("the handover of images", log, () =>
        handover.keepUp(images.idsOf(user).map((imageId) => ({ user, imageId }))),
      );
    }
  };
}
