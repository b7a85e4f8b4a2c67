import type { Context, Hono } from "hono";
import type { Logger } from "pino";
import type * as z from "zod";
import { INTERNAL_ERROR, PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { OPERATIONS, type StagedContent } from "#protocol/operations.ts";
import * as wire from "#protocol/wire.ts";
import { keepStaged, removeKeptSource } from "../content/keep-staged.ts";
import { boundedFailure, stageLargeResult } from "../dispatch/large-results.ts";
import { removeUplinked } from "../dispatch/uplinked-files.ts";
import type { GroundEnv } from "../http/env.ts";
import type { Command } from "../ledger/command.ts";
import type { Ending } from "../ledger/report.ts";
import type { Staging } from "../ports/staging.ts";
import { storedBytes } from "../transfers/stored-bytes.ts";
import { body } from "./body.ts";
import type { AgentApiDeps } from "./deps.ts";
import { running } from "./running.ts";

/** Content of so many bytes is copied before its command's lane is held, for one reading of the ledger more. */
const COPIED_FIRST = 64 * MiB;

/** POST /agent/report: how a command ended. */
export function registerReport(app: Hono<GroundEnv>, parts: AgentApiDeps): void {
  const { ledger, staging, changes, log } = parts;
  app.post("/report", async (c) => {
    const request = await body(c, wire.reportRequest, LIMITS.reportBytes);
    const { command: id, outcome, ...of } = request;
    const edge = c.get("edge");
    const joined = await keepFirst(parts, c, request);
    // begun with the ledger's own reading, so that they are one request to DynamoDB
    const content = contentOf(outcome);
    const sent = content?.transfer !== undefined && !joined ? parts.transfers.look(of.user) : undefined;
    sent?.catch(() => {});
    const { command, ended, more } = await ledger.finish({ edge, id, ...of }, async (running) => {
      const known = content !== undefined && parts.transfers.isSigned(await sent, running, content);
      return prepare(parts, running, outcome, { joined, known });
    });
    // A repeat, whose first answer was lost, changes nothing: there is nothing to die in the middle of.
    if (ended) killPoint("agent.reported");
    changes.changed(id, command);
    if (ended) {
      parts.onEnd?.(command);
      log.info({ edge, command: id, operation: command.operation, state: command.state }, "command ended");
    }
    // at a repeat too: the ground may have died before it did
    await removeSource(parts, command);
    await removeUplinked(staging, command).catch((error: unknown) => {
      log.warn({ err: error, command: id }, "staged files are left for the janitor");
    });
    if (ended) killPoint("agent.before.acknowledged");
    return c.json({ acknowledged: true, more } satisfies z.infer<typeof wire.reportResponse>);
  });
}

/**
 * Makes one object of content that is kept and came in chunks, or is large: it takes as long as the content is large, so it
 * is done before the end takes the turn of its lane. Done again, it changes nothing. @returns whether it stands
 */
async function keepFirst(
  parts: AgentApiDeps,
  c: Context<GroundEnv>,
  { epoch, user, command: id, outcome }: z.infer<typeof wire.reportRequest>,
): Promise<boolean> {
  const content = contentOf(outcome);
  if (content === undefined || (content.chunkBytes === undefined && content.size < COPIED_FIRST))
    return false;
  let command: Command;
  try {
    command = await running(c, parts.ledger, { epoch, user, command: id });
  } catch (error) {
    // It has ended, or another agent serves the edge: the ledger says which.
    if (error instanceof PerigeeError) return false;
    throw error;
  }
  const kept = parts.keptContent(command);
  if (kept === undefined || (await storedBytes(parts.staging, command, content)) !== content.size)
    return false;
  await keepStaged(parts, command, content, kept);
  return true;
}

/** What is known of an outcome's content: it is in its place already; it has the size that the agent says, if it is there. */
type ContentSeen = { joined: boolean; known: boolean };

/** What stands before anybody can read the end of a command: its run, and a result that the ledger does not hold. */
async function prepare(
  parts: AgentApiDeps,
  running: Command,
  outcome: wire.Outcome,
  seen: ContentSeen,
): Promise<Ending> {
  const checked = checkedOutcome(running, outcome, parts.log);
  if (running.operation === "pod.run" && checked.state === "succeeded") {
    // Whoever reads pod/run's answer finds the run, though the agent's own report of it is still under way.
    await parts.runs.accepted(running.edge, running);
  }
  const outcomeHere = await believed(parts, running, checked, seen);
  const ending = await bounded(parts.staging, running, outcomeHere);
  killPoint("agent.before.report");
  return ending;
}

/**
 * Content that is not in staging as the agent says, was put there by nobody, or by somebody else. What is kept is in its
 * place afterwards.
 */
async function believed(
  parts: AgentApiDeps,
  command: Command,
  outcome: wire.Outcome,
  { joined, known }: ContentSeen,
): Promise<wire.Outcome> {
  const { staging, log } = parts;
  const content = contentOf(outcome);
  if (content === undefined) return outcome;
  const kept = joined ? undefined : parts.keptContent(command);
  // An object of its own is copied with its size: it need not be looked at before.
  const found = await (kept === undefined || content.chunkBytes !== undefined
    ? storedBytes(staging, command, content)
    : bytesKept(parts, command, content, kept, known));
  if (found === content.size) {
    if (kept !== undefined && content.chunkBytes !== undefined)
      await keepStaged(parts, command, content, kept);
    return outcome;
  }
  if (kept !== undefined) await staging.remove(kept);
  log.error({ command: command.id, content, found }, "the content is not what the agent says");
  return { state: "failed", failure: INTERNAL_ERROR };
}

/** Keeps it. @returns its bytes; undefined when it is not there */
async function bytesKept(...of: Parameters<typeof keepStaged>): Promise<number | undefined> {
  try {
    return await keepStaged(...of);
  } catch (error) {
    if (error instanceof PerigeeError && error.code === "FILE_NOT_FOUND") return undefined;
    throw error;
  }
}

/** What an outcome says is in staging. */
function contentOf(outcome: { state: string; result?: unknown }): StagedContent | undefined {
  if (outcome.state !== "succeeded") return undefined;
  return ((outcome.result ?? {}) as { content?: StagedContent }).content;
}

/** Content that is kept elsewhere counts once; what cannot be removed now ends by age. */
async function removeSource(parts: AgentApiDeps, command: Command): Promise<void> {
  const content = contentOf(command);
  if (content === undefined || parts.keptContent(command) === undefined) return;
  await removeKeptSource(parts, command, content).catch((error: unknown) => {
    parts.log.warn({ err: error, command: command.id }, "content that is kept stays staged as well");
  });
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
  return { state: "failed", failure: INTERNAL_ERROR };
}
