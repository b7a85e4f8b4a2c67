import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import { later, startNowOrLater } from "./background.ts";
import type { Toolchains } from "./compilers/compiler.ts";
import { FailedBuilds } from "./compilers/failed-builds.ts";
import type { AgentConfig } from "./config.ts";
import { openEngine } from "./engine/open-engine.ts";
import { FpgaDevices } from "./fpga/devices/fpga-devices.ts";
import { FpgaStore } from "./fpga/store/fpga-store.ts";
import type { GroundSession } from "./ground/ground-session.ts";
import { DockerImageStore } from "./images/docker/image-store.ts";
import { openHandover } from "./images/handover/open-handover.ts";
import { instanceOf } from "./instance.ts";
import type { Journal } from "./journal/journal.ts";
import { devicesOf, openLoadPlace, runFpga } from "./open-fpga.ts";
import { addressRange } from "./pods/addresses/address-range.ts";
import { InstanceAddresses } from "./pods/addresses/instance-addresses.ts";
import { readerOf } from "./pods/logs/log-pace.ts";
import { openRuntimes } from "./pods/open-runtime.ts";
import { PodManager } from "./pods/pod-manager.ts";
import { imageBytes } from "./pods/qemu/image-bytes.ts";
import { KnownVmImages } from "./pods/qemu/images/known-vm-images.ts";
import { Kvm } from "./pods/qemu/kvm/kvm.ts";
import { VolumeDisks } from "./pods/qemu/volume-disks.ts";
import { openSessions } from "./sessions/open-sessions.ts";
import { Volumes } from "./volumes/volumes.ts";

type Deps = {
  /** directory of the agent's data */
  data: string;
  config: AgentConfig;
  database: DatabaseSync;
  journal: Journal;
  session: GroundSession;
  log: Logger;
};

export type Holdings = Awaited<ReturnType<typeof openHoldings>>;

/**
 * Everything that users have on this edge: volumes, images, pods, files for FPGAs, and where their nodes get images from.
 * @throws Error that names what the configuration lacks
 */
export async function openHoldings({ data, config, database, journal, session, log }: Deps) {
  // Containers, networks and images of this agent, and of no other on the same engine.
  const instance = instanceOf(journal.id);
  const docker = openEngine();
  const volumes = new Volumes({
    root: config.volumes ?? join(data, "volumes"),
    database,
    cache: join(data, "hashes"),
    log,
    freeFloorBytes: config.freeFloorBytes,
  });
  const failedBuilds = new FailedBuilds({ volumes, log });
  const store = join(data, "fpga");
  const fpga = new FpgaStore({
    root: store,
    log,
    freeFloorBytes: config.freeFloorBytes,
    isNeeded: (user, sha256) => pods.needsFpgaFile(user, sha256),
  });
  const devices = new FpgaDevices({
    devices: devicesOf(config),
    place: await openLoadPlace(config, { instance, store }),
    db: database,
    log,
    isHeld: (node) => pods.holdsDevice(node),
  });
  await devices.look();
  const imageUsers: ((user: string, imageId: string) => boolean)[] = [];
  const registryName = config.registry ?? config.imageRegistry?.pull;
  const images = new DockerImageStore({
    docker,
    database,
    instance,
    unfinished: journal.open().map(({ command }) => command),
    home: volumes.root,
    traces: volumes.users().length > 0,
    log,
    ...(config.publicImages && { publicImages: config.publicImages }),
    ...(registryName && { registry: registryName }),
  });
  const handover =
    config.imageRegistry &&
    openHandover(config.imageRegistry, {
      docker,
      database,
      instance,
      freeFloorBytes: config.freeFloorBytes,
      repositoryOf: ({ user, imageId }) => images.repositoryOf(user, imageId),
      isInUse: ({ user, imageId }) =>
        pods.needsImage(user, imageId) || imageUsers.some((needs) => needs(user, imageId)),
      onError: (error, about) => log.warn({ err: error, ...about }, "images: tried again"),
    });
  const warn = (message: string) => log.warn(message);
  const vmImages = new KnownVmImages(docker);
  const kvm = new Kvm({ docker, instance, wanted: config.kvm, warn });
  const runtimes = await openRuntimes(config, {
    machines: { images: vmImages, directory: join(data, "machines"), kvm },
    forward: join(data, "forward"),
    docker,
    instance,
    secret: journal.id,
    volumes: volumes.root,
    ...(handover && { images: handover }),
    warn,
  });
  const sessions = await openSessions(config, { docker, instance });
  const { range, closedPorts } = config.instanceAddresses;
  const addresses =
    range === undefined
      ? undefined
      : new InstanceAddresses({ range: addressRange(range), closedPorts, warn });
  const pods = new PodManager({
    db: database,
    runtimes,
    fpga: runFpga(fpga, devices, log),
    ...(addresses && { addresses }),
    resolveImage: (user, reference) => images.resolve(user, reference),
    push: async ({ data, ...chunk }) => readerOf(await session.logs(chunk, data), session.ground.link),
    onError: (error, about) => log.warn({ err: error, ...about }, "pods: tried again"),
  });
  devices.onChange(() => pods.devicesChanged());
  later("blank files for FPGAs", log, () => devices.blankFree());
  return {
    volumes,
    failedBuilds,
    images,
    fpga,
    devices,
    handover,
    runtimes,
    sessions,
    pods,
    kvm,
    /** Bytes of the user's images in the engine, and of what machines read of them. */
    imageBytes: (user: string, inEngine: number) =>
      inEngine + imageBytes(join(data, "machines", "images"), images.idsOf(user)),
    /** makes volumes for machines */
    disks: new VolumeDisks({ docker, instance, images: vmImages }),
    /** images with the tools of compilers */
    toolchains: toolchainsOf(config, vmImages),
    /** Others than pods that need images in the registry. */
    addImageUser(needs: (user: string, imageId: string) => boolean): void {
      imageUsers.push(needs);
    },
    /** Without an engine files still come and go: only what needs it fails, until it is there. */
    async startImages(signal: AbortSignal): Promise<void> {
      await startNowOrLater("the image store", () => images.start(), log, signal);
      if (handover) await startNowOrLater("the image registry", () => handover.start(), log, signal);
    },
    async close(): Promise<void> {
      devices.close();
      await pods.close();
      addresses?.close();
      await sessions.close();
      await runtimes.close();
      await kvm.close();
      await handover?.close();
      await volumes.close();
    },
  };
}

/** The images that the operator names, and those for machines as long as they are there. */
function toolchainsOf({ toolchains }: AgentConfig, machines: KnownVmImages): Toolchains {
  return {
    ...toolchains,
    get vm() {
      return machines.found?.build;
    },
  };
}
