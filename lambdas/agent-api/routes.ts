import { Hono } from "hono";
import type { Logger } from "pino";
import type * as z from "zod";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS } from "#protocol/limits.ts";
import { OPERATIONS, type StagedContent } from "#protocol/operations.ts";
import * as wire from "#protocol/wire.ts";
import { boundedFailure, stageLargeResult } from "../dispatch/large-results.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ending } from "../ledger/ledger.ts";
import type { Staging } from "../ports/staging.ts";
import { storedBytes } from "../transfers/stored-bytes.ts";
import { body, parse } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";
import { readBytes } from "./read.ts";
import { registerTransfers } from "./transfers.ts";
import { registerUrls } from "./urls.ts";

/** The agent's side of the ground, under `/agent`, behind the agent's token (protocol/wire.ts). */
export function agentRoutes(parts: AgentApiDeps): Hono<GroundEnv> {
  const { ledger, staging, runs, podLogs, changes } = parts;
  const app = new Hono<GroundEnv>();

  app.post("/start", async (c) => {
    const { journal, ...agent } = await body(c, wire.startRequest);
    const edge = c.get("edge");
    const before = (await ledger.edgeState(edge)).holder;
    const epoch = await ledger.startAgent(edge, journal, agent);
    killPoint("agent.started");
    if (before) changes.changed(before.id);
    parts.log.info({ edge, epoch, version: agent.version }, "agent started");
    return c.json({ edge, epoch } satisfies z.infer<typeof wire.startResponse>);
  });

  app.post("/claim", async (c) => {
    const { epoch } = await body(c, wire.claimRequest);
    const command = await ledger.claim(c.get("edge"), epoch);
    if (!command) return c.body(null, 204);
    killPoint("agent.claimed");
    changes.changed(command.id);
    return c.json({
      id: command.id,
      user: command.user,
      operation: command.operation,
      input: command.input,
      attempts: command.attempts,
      deadline: OPERATIONS[command.operation].deadline,
      cancelRequested: command.cancelRequestedAt !== undefined,
      hasFiles: command.staged !== undefined,
    } satisfies wire.ClaimedCommand);
  });

  app.post("/progress", async (c) => {
    const { epoch, user, command, progress } = await body(c, wire.progressRequest);
    const cancel = await ledger.progress(c.get("edge"), epoch, user, command, progress);
    changes.changed(command);
    return c.json({ cancel });
  });

  app.post("/report", async (c) => {
    const { epoch, user, command: id, outcome } = await body(c, wire.reportRequest, LIMITS.reportBytes);
    const edge = c.get("edge");
    const { command, ended, more } = await ledger.finish({ edge, user, id }, epoch, async (running) => {
      const checked = checkedOutcome(running, outcome, parts.log);
      if (running.operation === "pod.run" && checked.state === "succeeded") {
        // Whoever reads pod/run's answer finds the run, though the agent's own report of it is still under way.
        await runs.accepted(edge, running);
      }
      const ending = await bounded(staging, running, await believed(parts, running, checked));
      killPoint("agent.before.report");
      return ending;
    });
    // A repeat, whose first answer was lost, changes nothing: there is nothing to die in the middle of.
    if (ended) killPoint("agent.reported");
    changes.changed(id);
    if (ended) {
      parts.onEnd?.(command);
      parts.log.info(
        { edge, command: id, operation: command.operation, state: command.state },
        "command ended",
      );
    }
    if (command.staged) {
      await staging.deletePrefix(command.staged).catch((error: unknown) => {
        parts.log.warn({ err: error, command: id }, "staged files are left for the janitor");
      });
    }
    if (ended) killPoint("agent.before.acknowledged");
    return c.json({ acknowledged: true, more } satisfies z.infer<typeof wire.reportResponse>);
  });

  registerUrls(app, parts);
  registerTransfers(app, parts);

  app.post("/heartbeat", async (c) => {
    const beat = await body(c, wire.heartbeatRequest);
    await ledger.heartbeat(c.get("edge"), beat);
    return c.json({ quota: parts.quota });
  });

  app.post("/pods", async (c) => {
    const { epoch, pods } = await body(c, wire.podsRequest);
    await ledger.requireEpoch(c.get("edge"), epoch);
    await runs.record(c.get("edge"), pods);
    return c.json({});
  });

  app.put("/logs", async (c) => {
    const { epoch, ...chunk } = parse(wire.logsQuery, c.req.query());
    await ledger.requireEpoch(c.get("edge"), epoch);
    await podLogs.append({ edge: c.get("edge"), ...chunk, data: await readBytes(c, wire.LOG_CHUNK_BYTES) });
    return c.json({});
  });

  return app;
}

/** Content that is not in staging as the agent says, was put there by nobody, or by somebody else. */
async function believed(
  { staging, log }: AgentApiDeps,
  command: Command,
  outcome: wire.Outcome,
): Promise<wire.Outcome> {
  if (outcome.state !== "succeeded") return outcome;
  const { content } = (outcome.result ?? {}) as { content?: StagedContent };
  if (content === undefined) return outcome;
  const found = await storedBytes(staging, command, content);
  if (found === content.size) return outcome;
  log.error({ command: command.id, content, found }, "the content is not what the agent says");
  return { state: "failed", failure: { code: "INTERNAL_ERROR", message: "Internal error" } };
}

/** What a command's record has room for: a large result goes to staging, of a large failure the newest is kept. */
async function bounded(staging: Staging, command: Command, outcome: wire.Outcome): Promise<Ending> {
  if (outcome.state === "failed") return { state: "failed", failure: boundedFailure(outcome.failure) };
  if (outcome.state === "cancelled") return outcome;
  const bytes = await stageLargeResult(staging, command, outcome.result);
  return bytes === undefined ? outcome : { state: "succeeded", stagedResult: bytes };
}

/** A result that does not have the operation's shape fails the command: users get answers we know, or none. */
function checkedOutcome(command: Command, outcome: wire.Outcome, log: Logger): wire.Outcome {
  if (outcome.state !== "succeeded") return outcome;
  const result = OPERATIONS[command.operation].result.safeParse(outcome.result);
  if (result.success) return { state: "succeeded", result: result.data };
  log.error({ command: command.id, issues: result.error.issues }, "the agent reported a malformed result");
  return { state: "failed", failure: { code: "INTERNAL_ERROR", message: "Internal error" } };
}
