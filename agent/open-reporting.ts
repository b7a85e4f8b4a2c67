import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "pino";
import { LIMITS } from "#protocol/limits.ts";
import type { NodeReport } from "#protocol/wire.ts";
import { Budget } from "./budget/budget.ts";
import { COMPILERS } from "./compilers/compilers.ts";
import { edgeOffer } from "./compilers/edge-offer.ts";
import { ToolChecks } from "./compilers/tool-checks.ts";
import type { AgentConfig } from "./config.ts";
import type { ContactPlan } from "./contact/contact-plan.ts";
import { isErrno } from "./files/directory.ts";
import type { GroundSession } from "./ground/ground-session.ts";
import type { OwnImage } from "./images/image-store.ts";
import type { Holdings } from "./open-holdings.ts";
import { CommandLogs } from "./reporting/command-logs/command-logs.ts";
import { Heart } from "./reporting/heart.ts";
import { InventoryReporter } from "./reporting/inventory-reporter.ts";
import { OfferReporter } from "./reporting/offer-reporter.ts";
import { PodReporter } from "./reporting/pod-reporter.ts";
import { tellHeld } from "./reporting/tell-held.ts";
import { Usage } from "./reporting/usage.ts";
import type { Runners } from "./runners/runners.ts";

type Deps = {
  /** directory of the agent's data */
  data: string;
  config: AgentConfig;
  database: DatabaseSync;
  session: GroundSession;
  holdings: Holdings;
  /** where this edge has them */
  runners?: Runners | undefined;
  contact: Pick<ContactPlan, "pace" | "heard">;
  log: Logger;
};

/** Of the quota: a user who holds so much less than the ground was told is reported at once. */
const TOLD_SHARE = 32;

export type Reporting = ReturnType<typeof openReporting>;

/**
 * The agent's reports to the ground other than outcomes of commands, and the byte budget of users, whose quota comes
 * with the ground's answers.
 */
export function openReporting({ data, config, database, session, holdings, runners, contact, log }: Deps) {
  const { volumes, images, fpga, devices, runtimes, pods, kvm, toolchains, failedBuilds } = holdings;
  let quota: number = LIMITS.quotaBytes;
  const inventory = new InventoryReporter({
    images: (user) => images.list(user),
    volumes: (user) => volumes.measured(user),
    fpga: (user) => ({ images: fpga.images(user).map(({ image }) => image), loads: devices.loads(user) }),
    send: (report) => session.inventory(report),
    log,
  });
  const written = new Map<string, number>();
  /** what a measurement saw of a user's images, until the inventory has it */
  const listed = new Map<string, OwnImage[]>();
  const usage = new Usage(
    {
      users: () => [...new Set([...volumes.users(), ...fpga.users(), ...failedBuilds.users()])],
      writing: () => [...new Set([...pods.usersWithRunningPods(), ...(runners?.users() ?? [])])],
      measureVolumes: async (user) =>
        (await volumes.measure(user)) + (await failedBuilds.measure(user)) + fpga.usage(user),
      images: async (user) => {
        const { bytes, own } = await images.holdings(user);
        listed.set(user, own);
        return holdings.imageBytes(user, bytes);
      },
      pods: async (user) => {
        const { bytes, directories, wrote = 0 } = await runtimes.written(user);
        written.set(user, wrote);
        let sum = bytes;
        for (const directory of directories) sum += await measuredOr(0, volumes.measurePath(directory));
        return sum;
      },
      wrote: (user) => written.get(user) ?? 0,
      room: () => Math.min(volumes.room(), volumes.roomForEntries()),
      quota: () => budget.quota,
      evict: async (user, why) => {
        // a runner is the sooner made anew
        if (!(await runners?.evict(user))) pods.evict(user, why);
      },
      expire: () => failedBuilds.tidy(),
      volumes: {
        over: (user) => volumes.over(user),
        writers: (user, volume) => pods.writersOf(user, volume),
        evict: (runs) => pods.evictWriters(runs),
      },
      measured(user) {
        void tellRoom(user);
        inventory.changed(user, listed.get(user));
        listed.delete(user);
      },
      log,
    },
    config.usageMs,
  );
  const budget = new Budget({
    known: async (user) => {
      const kept = failedBuilds.usage(user);
      if (kept === undefined || !volumes.isMeasured(user)) return undefined;
      return images.usage(user).then(
        (bytes) => volumes.usage(user) + kept + fpga.usage(user) + holdings.imageBytes(user, bytes),
        () => undefined,
      );
    },
    measure: (user) => usage.measure(user),
    quota: () => quota,
  });
  const commandLogs = new CommandLogs({
    directory: join(data, "command-logs"),
    database,
    send: ({ end, ...chunk }, data) => session.commandLogs({ ...chunk, end: end ? "1" : "0" }, data),
    log,
  });
  const tools = new ToolChecks(images, toolchains);
  const offers = new OfferReporter({
    offer: () =>
      edgeOffer({
        ...{ runtimes: runtimes.all(), compilers: COMPILERS, tools },
        instanceMemoryBytes: config.pod.memoryBytes,
      }),
    send: (offer) => session.offer(offer),
    log,
  });
  kvm.onKnown(() => void offers.changed());
  const podReports = new PodReporter((reports) => session.pods(reports), log);

  /** bytes by user, as the ground was last told */
  let told: Record<string, number> = {};
  const hasRoomUntold = (user: string) => {
    const [before, now] = [told[user] ?? 0, usage.of(user)];
    return (before >= quota && now < quota) || before - now >= quota / TOLD_SHARE;
  };
  /** The ground refuses uploads by the usage it was last told: room that a deletion made is reported at once. Never throws. */
  async function tellRoom(user: string): Promise<void> {
    if (hasRoomUntold(user)) await heart?.now();
    // the beat that was under way may have looked before
    if (hasRoomUntold(user)) await heart?.now();
  }

  async function beat(): Promise<void> {
    const bytes = usage.all();
    await devices.look();
    const nodes = await pods.nodes().catch((): NodeReport[] => []);
    const seen = new Set(nodes.map(({ name }) => name));
    for (const node of config.nodes) if (!seen.has(node.name)) nodes.push({ ...node, status: "Unknown" });
    const answer = await session.heartbeat({
      nodes: nodes.map(({ name, kind, status }) => ({ name, kind, status })),
      usage: bytes,
      free: volumes.free(),
      reported: inventory.isCurrent,
      fpga: devices.reports(),
      uplinkBps: session.ground.link.broughtBps,
      downlinkBps: session.ground.link.contentBps,
    });
    told = bytes;
    quota = answer.quota;
    contact.heard(answer.windows);
    pods.contactRestored();
    void offers.look();
  }

  let heart: Heart | undefined;
  return {
    usage,
    budget,
    commandLogs,
    /** Starts the pod manager, and reports every change of a pod's state from here on. */
    startPods(): void {
      pods.onChange((report) => podReports.changed(report));
      pods.start();
      for (const report of pods.reports()) podReports.changed(report);
    },
    /** Tells which images for FPGAs are here, from before the first claim on. Never throws. */
    tellHeld: (signal: AbortSignal) =>
      tellHeld(
        {
          held: () =>
            fpga.users().map((user) => ({ user, images: fpga.images(user).map(({ image }) => image) })),
          send: (piece) => session.fpgaHeld(piece),
          beganAt: session.beganAt,
          log,
        },
        signal,
      ),
    /** Beats once, then at every interval; outside of planned windows as rarely as the operator wants. */
    async startHeart(): Promise<void> {
      const { heartbeatMs } = LIMITS;
      const due = (sinceMs: number) => sinceMs + heartbeatMs > contact.pace(heartbeatMs);
      heart = new Heart(beat, log, heartbeatMs, due);
      devices.onChange(() => {
        for (const user of devices.users()) inventory.changed(user);
        void heart?.now();
      });
      await heart.now();
    },
    /** Beats now, for what the answer says. Never throws. */
    async beat(): Promise<void> {
      await heart?.now();
    },
    /** Looks at everybody; from then on the inventory is whole. */
    async measureAll(): Promise<void> {
      await usage.measureAll();
      inventory.begun();
      await heart?.now();
    },
    async close(): Promise<void> {
      heart?.close();
      usage.close();
      podReports.close();
      await commandLogs.close();
      await inventory.close();
    },
  };
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
