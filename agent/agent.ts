import { mkdirSync } from "node:fs";
import type { Logger } from "pino";
import { later } from "./background.ts";
import type { AgentConfig, AgentEnvironment } from "./config.ts";
import { ContactPlan } from "./contact/contact-plan.ts";
import { PlanFile } from "./contact/plan-file.ts";
import { RestingDoorbell } from "./contact/resting-doorbell.ts";
import { WindowStarts } from "./contact/window-starts.ts";
import { countAside } from "./database/stored-json.ts";
import { GroundClient } from "./ground/ground-client.ts";
import { GroundSession } from "./ground/ground-session.ts";
import { makeDoorbell } from "./ground/make-doorbell.ts";
import { startSession } from "./ground/start-session.ts";
import { afterChange, handlersOf } from "./handlers.ts";
import { discardDropped, sweepJobs } from "./jobs/discard-job.ts";
import { FailedSubmissions } from "./jobs/failed-submissions.ts";
import { forgetReceived } from "./jobs/fetch-inbox.ts";
import { noteJobEnd } from "./jobs/job-handlers.ts";
import { Journal } from "./journal/journal.ts";
import { openStateDatabase } from "./journal/state-database.ts";
import { AgentLoop } from "./loop/agent-loop.ts";
import { openHoldings } from "./open-holdings.ts";
import { openLive } from "./open-live.ts";
import { openReporting } from "./open-reporting.ts";
import { openRunners } from "./open-runners.ts";
import { openAhead } from "./transfers/open-ahead.ts";
import { openOutgoing } from "./transfers/open-outgoing.ts";

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
  const { data } = environment;
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const database = openStateDatabase(data);
  const journal = new Journal(database);
  const ground = new GroundClient({ url: environment.ground, token: environment.token });
  const session = new GroundSession(ground, log);
  const doorbell = await makeDoorbell(environment, config, log);
  const holdings = await openHoldings({ data, config, database, journal, session, log });
  const runners = openRunners({ config, database, session, holdings, log });
  const contact = new ContactPlan(
    { fetch: () => session.windowPlan(), file: new PlanFile(data, log), log },
    { outsideMs: config.outsideWindowsMs },
  );
  const reporting = openReporting({ data, config, database, session, holdings, runners, contact, log });
  const live = openLive({
    ground: { url: environment.ground, token: environment.token },
    config,
    session,
    holdings,
    ...(runners && { runners: runners.targets }),
    log,
  });
  const { volumes, pods, fpga, failedBuilds } = holdings;
  const beat = () => later("a heartbeat", log, () => reporting.beat());
  const jobs = { volumes, pods, budget: reporting.budget, failures: new FailedSubmissions(database), log };
  const sweep = () => later("the sweep of what earlier jobs left", log, () => sweepJobs(jobs, journal));
  const discard = (command: Parameters<typeof discardDropped>[1]) =>
    later("the removal of what a cancelled command left", log, () => discardDropped(jobs, command));
  try {
    const unfinished = new Set(journal.open().map(({ command }) => command));
    later("the sweep of what earlier commands left", log, () => volumes.sweepIncoming(unfinished));
    later("the sweep of what earlier images for FPGAs left", log, () => fpga.sweep(unfinished));
    later("the sweep of what failed builds left", log, () => failedBuilds.tidy());
    // pools are kept, and end, without contact too
    runners?.start();
    const features = [...live.features, ...(runners?.features ?? [])];
    if (!(await startSession(session, journal.id, log, signal, features))) return;
    await reporting.tellHeld(signal);
    runners?.connected();
    reporting.commandLogs.start(new Set(journal.open().flatMap((one) => (one.outcome ? [] : [one.command]))));
    await holdings.startImages(signal);
    runners?.imagesChanged();
    reporting.startPods();
    await reporting.startHeart();
    later("the first measurement", log, () => reporting.measureAll());
    const aside = countAside(database);
    if (aside > 0) log.error({ rows: aside }, "rows of the state could not be read and are in broken_rows");
    ready(session.edge, session.epoch);
    sweep();
    const bell = new RestingDoorbell(doorbell, contact, { awake: beat });
    const stopListening = ground.link.onContact(() => bell.expectContact());
    const starts = new WindowStarts({
      plan: contact,
      link: ground.link,
      opened() {
        bell.expectContact();
        beat();
      },
    });
    starts.run();
    const loop = new AgentLoop(
      {
        session,
        journal,
        handlers: handlersOf(holdings, reporting, jobs, runners),
        doorbell: bell,
        changed: afterChange(holdings, reporting, log, runners),
        rung: () => {
          contact.active();
          runners?.rung();
        },
        took: () => contact.active(),
        log,
        ...openOutgoing(database, data, config.freeFloorBytes),
        ahead: openAhead(data, config.freeFloorBytes),
        jobs: config.jobs,
        ended: (command, outcome) => {
          contact.active();
          noteJobEnd(jobs, command, outcome);
        },
        dropped: discard,
        // the ring may be for a live session: with no claim due, the answer to a heartbeat carries the wish for sockets
        rungWhileFull: beat,
        forgotten(commands) {
          for (const id of commands) {
            later("the removal of what a command received", log, () => forgetReceived(jobs, id));
          }
          sweep();
        },
      },
      { pollMs: config.pollMs, pace: (ms) => contact.pace(ms) },
    );
    await loop.run(signal).finally(() => {
      starts.close();
      stopListening();
    });
  } finally {
    doorbell.close();
    await live.close();
    await runners?.close();
    await reporting.close();
    await holdings.close();
    ground.close();
    database.close();
  }
}
