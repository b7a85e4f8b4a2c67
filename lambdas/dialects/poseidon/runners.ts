import { readPrefer } from "../../http/prefer.ts";
import type { DialectContext } from "../dialect.ts";
import { emptyAnswer, jsonAnswer } from "./answers.ts";
import { givenIn, readWhole } from "./body.ts";
import { goneSignal } from "./gone-signal.ts";
import type { PoseidonCore } from "./parts.ts";
import { gone, refusal, TEXTS } from "./refusals.ts";
import { callerIn, runnerOf } from "./runner-of.ts";

/** ms */
const MOST_WAIT = 60_000;

/** POST /runners: hands a runner out, of those that are idle now unless `Prefer: wait` says how long to wait. */
export async function postRunner(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const given = givenIn(await readWhole(c));
  const environment = given.whole("executionEnvironmentId");
  const seconds = given.whole("inactivityTimeout");
  const { wait, applied } = readPrefer(c.req.header("prefer"));
  const waitMs = wait.kind === "most" ? Math.min(wait.ms, MOST_WAIT) : undefined;
  const found = await core.runners.handOut(callerIn(c), environment, {
    ...(seconds > 0 && { inactivityMs: Math.min(seconds * 1000, Number.MAX_SAFE_INTEGER) }),
    ...(waitMs !== undefined && { waitMs }),
    signal: goneSignal(c),
  });
  if ("runner" in found) {
    const { id, mappedPorts } = found.runner;
    const headers: Record<string, string> = {};
    if (waitMs !== undefined && applied) headers["preference-applied"] = applied;
    return jsonAnswer({ runnerId: id, mappedPorts }, 200, headers);
  }
  switch (found.refused) {
    case "unknown":
      throw refusal(404, TEXTS.unknownEnvironment);
    case "unreachable":
      throw refusal(500, TEXTS.unreachable, "NOMAD_UNREACHABLE");
    case "unsupported":
      throw refusal(500, TEXTS.unsupported, "NOMAD_INTERNAL_SERVER_ERROR");
    case "empty": {
      const reason = found.reason ? `: ${found.reason}` : "";
      throw refusal(500, `${TEXTS.noRunner}${reason}`, "NOMAD_OVERLOAD");
    }
  }
}

/** DELETE /runners/{id}: durable at once, needs no contact. */
export async function deleteRunner(c: DialectContext, core: PoseidonCore): Promise<Response> {
  await readWhole(c);
  const { user } = callerIn(c);
  const { id } = await runnerOf(core, callerIn(c), c.req.param("runner") ?? "");
  if (!(await core.runners.end(user, id))) throw gone();
  return emptyAnswer(204);
}
