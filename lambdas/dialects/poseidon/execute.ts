import { KiB } from "#protocol/limits.ts";
import type { ExecParameters } from "#protocol/live.ts";
import type { DialectContext } from "../dialect.ts";
import { jsonAnswer } from "./answers.ts";
import { givenIn, readWhole } from "./body.ts";
import type { Given } from "./given.ts";
import type { PoseidonCore } from "./parts.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { callerIn, runnerOf } from "./runner-of.ts";

const TICKET = { ttlMs: 3600_000, most: 100, form: "uuid" } as const;
/** As decided. Linux takes one byte less in a word: a command of exactly this size is permitted, and ends with an error. */
const COMMAND_BYTES = 128 * KiB;
/** Linux takes no longer word (MAX_ARG_STRLEN, with its terminating zero): nothing could be executed. */
const VARIABLE_BYTES = 128 * KiB - 1;
const MOST_VARIABLES = 1_000;

/** POST /runners/{id}/execute: a permit for one execution. Nothing runs before its WebSocket is opened. */
export async function postExecute(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const body = await readWhole(c);
  const caller = callerIn(c);
  const runner = await runnerOf(core, caller, c.req.param("runner") ?? "");
  const exec = executionIn(givenIn(body));
  const id = await core.live.tickets.create({ ...caller, target: { runner: runner.id }, exec }, TICKET);
  return jsonAnswer({
    websocketUrl: `${socketOrigin(c, core)}/api/v1/runners/${runner.id}/websocket?executionID=${id}`,
  });
}

function executionIn(given: Given): ExecParameters {
  const command = given.text("command");
  if (command.includes("'")) throw refusal(400, TEXTS.forbiddenCharacter);
  if (command.includes("\0")) throw refusal(400, "command must not contain NUL");
  if (Buffer.byteLength(command) > COMMAND_BYTES) throw refusal(400, "command must have at most 128 KiB");
  const privileged = given.boolean("privilegedExecution");
  const variables = given.map("environment");
  if (variables.size > MOST_VARIABLES) {
    throw refusal(400, `environment must have at most ${MOST_VARIABLES} keys`);
  }
  for (const [name, value] of variables) {
    if (name === "" || /[=\0]/.test(name)) {
      throw refusal(400, "environment: a key must not be empty, and contain neither = nor NUL");
    }
    if (value.includes("\0")) throw refusal(400, "environment: a value must not contain NUL");
    if (Buffer.byteLength(`${name}=${value}`) > VARIABLE_BYTES) {
      throw refusal(
        400,
        `environment: a key with its value must have at most ${VARIABLE_BYTES - 1} bytes, as on Linux`,
      );
    }
  }
  const seconds = given.whole("timeLimit", { least: Number.MIN_SAFE_INTEGER });
  variables.delete("CODEOCEAN");
  return {
    argv: ["/bin/bash", "-c", command],
    as: privileged ? "root" : "user",
    // last, so that no request replaces it
    env: { ...Object.fromEntries(variables), CODEOCEAN: "true" },
    terminal: { stderr: "apart" },
    ...(seconds !== 0 && { limitMs: seconds * 1000 }),
    stop: "quit",
  };
}

/** Where the client finds this server, for a WebSocket. */
function socketOrigin(c: DialectContext, core: PoseidonCore): string {
  const origin = core.hosts.origin(c);
  // HTTP/1.0 may name no host
  const named = origin.endsWith("//") ? new URL(c.req.url).origin : origin;
  return named.replace(/^http/, "ws");
}
