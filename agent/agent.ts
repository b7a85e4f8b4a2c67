import { mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { LIMITS } from "#protocol/limits.ts";
import { FEATURES } from "#protocol/older-agents.ts";
import { OPERATION_NAMES, type OperationName } from "#protocol/operations.ts";
import { VERSION } from "#protocol/version.ts";
import { changedBy } from "./after-change.ts";
import { later, startNowOrLater } from "./background.ts";
import { Backoff } from "./backoff.ts";
import { Budget } from "./budget/budget.ts";
import type { AgentConfig, AgentEnvironment } from "./config.ts";
import { countAside } from "./database/stored-json.ts";
import { openEngine } from "./engine/open-engine.ts";
import { isErrno } from "./files/directory.ts";
import { GroundClient } from "./ground/ground-client.ts";
import { GroundSession } from "./ground/ground-session.ts";
import { makeDoorbell } from "./ground/make-doorbell.ts";
import { DockerImageStore } from "./images/docker/image-store.ts";
import { openHandover } from "./images/handover/open-handover.ts";
import { imageHandlers } from "./images/image-handlers.ts";
import { instanceOf } from "./instance.ts";
import { sweepJobs } from "./jobs/discard-job.ts";
import { FailedSubmissions } from "./jobs/failed-submissions.ts";
import { jobHandlers, noteJobEnd } from "./jobs/job-handlers.ts";
import { Journal } from "./journal/journal.ts";
import { openStateDatabase } from "./journal/state-database.ts";
import { AgentLoop } from "./loop/agent-loop.ts";
import type { OperationHandlers } from "./operation.ts";
import { openRuntime } from "./pods/open-runtime.ts";
import { podHandlers } from "./pods/pod-handlers.ts";
import { PodManager } from "./pods/pod-manager.ts";
import { CommandLogs } from "./reporting/command-logs/command-logs.ts";
import { Heart } from "./reporting/heart.ts";
import { InventoryReporter } from "./reporting/inventory-reporter.ts";
import { PodReporter } from "./reporting/pod-reporter.ts";
import { Usage } from "./reporting/usage.ts";
import { OutgoingStore } from "./transfers/outgoing-store.ts";
import { volumeHandlers } from "./volumes/handlers.ts";
import { receiveScratch } from "./volumes/scratch.ts";
import { Volumes } from "./volumes/volumes.ts";

/** What this version can do beside its operations. */
const AGENT_FEATURES: readonly string[] = Object.values(FEATURES);

/**
 * Runs the agent of one edge until `signal` aborts: pods go on running without it.
 * @param ready called once it has an epoch and serves
 * @throws Superseded when a newer agent serves the edge; Error when the state is in use by another agent
 */
export async function runAgent(
  environment: AgentEnvironment,
  config: AgentConfig,
  log: Logger,
  signal: AbortSignal,
  ready: (edge: string, epoch: number) => void,
): Promise<void> {
  mkdirSync(environment.data, { recursive: true, mode: 0o700 });
  const database = openStateDatabase(environment.data);
  const journal = new Journal(database);
  const ground = new GroundClient({ url: environment.ground, token: environment.token });
  const session = new GroundSession(ground, log);
  const doorbell = await makeDoorbell(environment, config, log);
  // Containers, networks and images of this agent, and of no other on the same engine.
  const instance = instanceOf(journal.id);
  const docker = openEngine();

  let quota: number = LIMITS.quotaBytes;
  const volumes = new Volumes({
    root: config.volumes ?? join(environment.data, "volumes"),
    database,
    cache: join(environment.data, "hashes"),
    log,
    freeFloorBytes: config.freeFloorBytes,
  });
  const registryName = config.registry ?? config.imageRegistry?.pull;
  const unfinished = journal.open().map((entry) => entry.command);
  const images = new DockerImageStore({
    docker,
    database,
    instance,
    unfinished,
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
      isInUse: ({ user, imageId }) => pods.needsImage(user, imageId),
      onError: (error, about) => log.warn({ err: error, ...about }, "images: tried again"),
    });
  const runtime = await openRuntime(config, {
    docker,
    instance,
    secret: journal.id,
    volumes: volumes.root,
    ...(handover && { images: handover }),
    warn: (message) => log.warn(message),
  });
  const pods = new PodManager({
    db: database,
    runtime,
    resolveImage: (user, reference) => images.resolve(user, reference),
    push: ({ data, ...chunk }) => session.logs(chunk, data),
    onError: (error, about) => log.warn({ err: error, ...about }, "pods: tried again"),
  });
  const inventory = new InventoryReporter({
    images: (user) => images.list(user),
    volumes: (user) => volumes.measured(user),
    send: (report) => session.inventory(report),
    log,
  });
  const written = new Map<string, number>();
  const usage = new Usage(
    {
      users: () => volumes.users(),
      writing: () => pods.usersWithRunningPods(),
      measureVolumes: (user) => volumes.measure(user),
      images: (user) => images.usage(user),
      pods: async (user) => {
        const { bytes, directories, wrote = 0 } = await runtime.written(user);
        written.set(user, wrote);
        let sum = bytes;
        for (const directory of directories) sum += await measuredOr(0, volumes.measurePath(directory));
        return sum;
      },
      wrote: (user) => written.get(user) ?? 0,
      room: () => Math.min(volumes.room(), volumes.roomForEntries()),
      quota: () => budget.quota,
      evict: async (user, why) => pods.evict(user, why),
      measured: (user) => inventory.changed(user),
      log,
    },
    config.usageMs,
  );
  const commandLogs = new CommandLogs({
    directory: join(environment.data, "command-logs"),
    database,
    send: ({ end, ...chunk }, data) => session.commandLogs({ ...chunk, end: end ? "1" : "0" }, data),
    log,
  });
  const budget = new Budget({
    known: async (user) =>
      volumes.isMeasured(user)
        ? images.usage(user).then(
            (bytes) => volumes.usage(user) + bytes,
            () => undefined,
          )
        : undefined,
    measure: (user) => usage.measure(user),
    quota: () => quota,
  });
  const reporter = new PodReporter((reports) => session.pods(reports), log);
  const jobs = { volumes, pods, budget, failures: new FailedSubmissions(database) };
  const handlers: OperationHandlers = {
    ...volumeHandlers(volumes, {
      isVolumeInUse: (user, volume) => pods.isVolumeInUse(user, volume),
      budget,
    }),
    ...imageHandlers(images, {
      openVolume: (user, volume) => volumes.open(user, volume),
      receiveStaged: (context) =>
        receiveScratch(volumes, context, (bytes) => budget.reserve(context.command.user, bytes)),
      budget,
      isImageInUse: async (user, name, tag) => pods.isImageInUse(user, name, tag),
      room: () => volumes.room(),
      measure: (directory) => volumes.measurePath(directory),
      openLog: (command) => commandLogs.open(command),
    }),
    ...jobHandlers(jobs),
    ...podHandlers(pods, { ensureVolume: (user, volume) => volumes.ensure(user, volume) }),
  };

  const heart = { close() {} };
  try {
    later("the sweep of what earlier commands left", log, () => volumes.sweepIncoming(new Set(unfinished)));
    if (!(await startUntil(session, journal.id, log, signal))) return;
    commandLogs.start(new Set(journal.open().flatMap((one) => (one.outcome ? [] : [one.command]))));
    // Without an engine files still come and go: only what needs it fails, until it is there.
    await startNowOrLater("the image store", () => images.start(), log, signal);
    if (handover) await startNowOrLater("the image registry", () => handover.start(), log, signal);
    pods.onChange((report) => reporter.changed(report));
    pods.start();
    for (const report of pods.reports()) reporter.changed(report);
    const beat = new Heart(async () => {
      const free = volumes.free();
      const nodes = await pods
        .nodes()
        .catch(() =>
          (config.kubernetes ? [] : config.nodes).map((node) => ({ ...node, status: "Unknown" as const })),
        );
      quota = (
        await session.heartbeat({
          nodes: nodes.map(({ name, kind, status }) => ({ name, kind, status })),
          usage: usage.all(),
          free,
          reported: inventory.isCurrent,
        })
      ).quota;
      pods.contactRestored();
    }, log);
    heart.close = () => beat.close();
    await beat.now();
    later("the first measurement", log, async () => {
      await usage.measureAll();
      inventory.begun();
      await beat.now();
    });
    const aside = countAside(database);
    if (aside > 0) log.error({ rows: aside }, "rows of the state could not be read and are in broken_rows");
    ready(session.edge, session.epoch);
    const changed = (operation: OperationName, user: string) => {
      const of = changedBy(operation);
      if (of.images) pods.imagesChanged();
      if (of.usage) later("a measurement", log, () => usage.measure(user));
      if (handover && of.ownImages) {
        later("the handover of images", log, () =>
          handover.keepUp(images.idsOf(user).map((imageId) => ({ user, imageId }))),
        );
      }
    };
    const spool = {
      directory: join(environment.data, "outgoing"),
      room: () => {
        const { bavail, bsize } = statfsSync(environment.data);
        return bavail * bsize - config.freeFloorBytes;
      },
    };
    const outgoing = new OutgoingStore(database, spool.directory);
    outgoing.sweep();
    const sweep = () =>
      later("the sweep of what earlier jobs left", log, () => sweepJobs(jobs, journal, log));
    sweep();
    const loop = new AgentLoop(
      {
        ...{ session, journal, handlers, doorbell, changed, log, spool, outgoing, jobs: config.jobs },
        ended: (command, outcome) => noteJobEnd(jobs, command, outcome),
        forgotten: sweep,
      },
      { pollMs: config.pollMs },
    );
    await loop.run(signal);
  } finally {
    heart.close();
    usage.close();
    doorbell.close();
    reporter.close();
    await commandLogs.close();
    await inventory.close();
    await pods.close();
    await runtime.close();
    await handover?.close();
    await volumes.close();
    ground.close();
    database.close();
  }
}

/** An engine's directory may be gone by now, or out of this process's reach. */
async function measuredOr(otherwise: number, measuring: Promise<number>): Promise<number> {
  try {
    return await measuring;
  } catch (error) {
    if (isErrno(error, "ENOENT", "EACCES", "ENOTDIR")) return otherwise;
    throw error;
  }
}

/** Asks for an epoch until the ground gives one; false when `signal` aborts first. */
async function startUntil(session: GroundSession, journal: string, log: Logger, signal: AbortSignal) {
  const backoff = new Backoff();
  while (!signal.aborted) {
    try {
      await session.start({
        journal,
        version: VERSION,
        operations: OPERATION_NAMES,
        features: [...AGENT_FEATURES],
      });
      return true;
    } catch (error) {
      if (backoff.tries === 0) log.warn({ err: error }, "waiting for the ground");
      await backoff.wait(signal);
    }
  }
  return false;
}
