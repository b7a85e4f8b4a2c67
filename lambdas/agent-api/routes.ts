import { type Context, Hono } from "hono";
import type { Logger } from "pino";
import type * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { GiB, LIMITS } from "#protocol/limits.ts";
import { OPERATIONS } from "#protocol/operations.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import * as wire from "#protocol/wire.ts";
import type { Changes } from "../dispatch/changes.ts";
import { boundedFailure, stageLargeResult } from "../dispatch/large-results.ts";
import { downlinkKey, downlinkPrefix, MANIFEST } from "../dispatch/staging-keys.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ending, Ledger } from "../ledger/ledger.ts";
import type { Runs } from "../ledger/runs.ts";
import type { PodLogs } from "../logs/pod-logs.ts";
import type { Staging } from "../ports/staging.ts";
import { readBytes, readJson } from "./read.ts";

export type AgentApiParts = {
  ledger: Ledger;
  staging: Staging;
  runs: Runs;
  podLogs: PodLogs;
  changes: Changes;
  quota: number;
  log: Logger;
  /** for metrics: a command has ended */
  onEnd?: (command: Command) => void;
};

/** Signed URLs live this long; the agent asks again when one has expired. */
const URL_SECONDS = 15 * 60;

/** The agent's side of the ground, under `/agent`, behind the agent's token (protocol/wire.ts). */
export function agentRoutes(parts: AgentApiParts): Hono<GroundEnv> {
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

  app.post("/urls", async (c) => {
    const request = await body(c, wire.urlsRequest);
    const command = await running(c, ledger, request);
    const { staged } = command;
    if (request.get.length > 0 && staged === undefined) {
      throw new PerigeeError("INVALID_PARAMETERS", "get: the command has no files");
    }
    const get = request.get.map((n) =>
      staging.signGet(`${staged}${n === "manifest" ? MANIFEST : n}`, URL_SECONDS),
    );
    const left = request.put.length > 0 ? await leftInStaging(parts, command) : 0;
    const put = request.put.map(({ n, maxBytes, size = 0 }) => {
      if (size > staging.signedPut.mostBytes) throw tooLargeAtOnce(staging.signedPut.mostBytes);
      if (left <= 0 || size > left) throw byteQuotaExceeded();
      return staging.signPut(downlinkKey(command, n), URL_SECONDS, Math.min(maxBytes, left));
    });
    const { lengthNeeded } = staging.signedPut;
    return c.json({ get: await Promise.all(get), put: await Promise.all(put), lengthNeeded });
  });

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

/** Bytes that may still come down for the command's user: what came down before stays until it is given or old. */
async function leftInStaging({ staging, quota }: AgentApiParts, command: Command): Promise<number> {
  const [all, own] = await Promise.all([
    staging.usage(`downlink/${command.user}/`),
    // of an earlier try of this command: it is written anew
    staging.usage(downlinkPrefix(command)),
  ]);
  return quota - (all - own);
}

function tooLargeAtOnce(bytes: number): PerigeeError {
  return new PerigeeError(
    "BODY_TOO_LARGE",
    `Over ${bytes / GiB} GiB do not come down at once: ask for the file in ranges`,
  );
}

/** The command that this agent runs under its epoch. @throws STALE_EPOCH, COMMAND_NOT_FOUND */
async function running(
  c: Context<GroundEnv>,
  ledger: Ledger,
  of: { epoch: number; user: string; command: string },
): Promise<Command> {
  const [, command] = await Promise.all([
    ledger.requireEpoch(c.get("edge"), of.epoch),
    ledger.command(of.user, of.command),
  ]);
  if (command.edge !== c.get("edge") || command.state !== "running") {
    throw new PerigeeError("COMMAND_NOT_FOUND", `There is no running command ${of.command}`);
  }
  return command;
}

/** Content that is not in staging as the agent says, was put there by nobody, or by somebody else. */
async function believed(
  { staging, log }: AgentApiParts,
  command: Command,
  outcome: wire.Outcome,
): Promise<wire.Outcome> {
  if (outcome.state !== "succeeded") return outcome;
  const { content } = (outcome.result ?? {}) as { content?: { n: number; size: number } };
  if (content === undefined) return outcome;
  const object = await staging.head(downlinkKey(command, content.n));
  if (object?.size === content.size) return outcome;
  log.error({ command: command.id, content, found: object?.size }, "the content is not what the agent says");
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

async function body<T extends z.ZodType>(
  c: Context<GroundEnv>,
  schema: T,
  max: number = LIMITS.bodyBytes,
): Promise<z.infer<T>> {
  return parse(schema, await readJson(c, max));
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PerigeeError("INVALID_PARAMETERS", `${issue?.path.join(".") || "body"}: ${issue?.message}`);
}
