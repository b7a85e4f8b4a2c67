import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import { isForeignOrigin } from "../../live/sockets/refuse-upgrade.ts";
import { acceptUserSocket } from "../../live/sockets/user-socket.ts";
import type { Runner } from "../../runners/runner-pools.ts";
import type { DialectContext } from "../dialect.ts";
import { readWhole } from "./body.ts";
import { type Caller, callerOf } from "./caller.ts";
import { runExecution } from "./execution.ts";
import type { PoseidonCore } from "./parts.ts";
import { queryValue, valueIn } from "./query.ts";
import { refusal, TEXTS } from "./refusals.ts";
import { callerIn, runnerOf } from "./runner-of.ts";
import { WEBSOCKET_PATH } from "./websocket-path.ts";

/** 16 bytes in base64 */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
const PROTOCOL = /^[\w!#$%&'*+.^`|~-]+$/;

/** GET /runners/{id}/websocket that asks for no upgrade: refused, after what would refuse an upgrade too. */
export async function getWebsocket(c: DialectContext, core: PoseidonCore): Promise<Response> {
  await readWhole(c);
  const caller = callerIn(c);
  const runner = await runnerOf(core, caller, c.req.param("runner") ?? "");
  await checkPermit(core, caller, runner, queryValue(c, "executionID"));
  throw refusal(400, TEXTS.notAnUpgrade);
}

/** What is checked first is told first, and no refusal uses the execution's id up. */
export async function connect(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  core: PoseidonCore,
): Promise<void> {
  const { url = "", headers } = incoming;
  const caller = await callerOf(core, (name) => headers[name] as string | undefined);
  const runner = await runnerOf(core, caller, WEBSOCKET_PATH.exec(url)![1]!);
  const id = await checkPermit(core, caller, runner, valueIn(url, "executionID"));
  if (!isWhole(headers)) throw refusal(400, TEXTS.notAnUpgrade);
  if (isForeignOrigin(incoming)) throw refusal(403, TEXTS.otherOrigin);
  const { sessions, tickets } = core.live;
  if (!sessions.hasRoom({ ...caller, target: { runner: runner.id } })) {
    throw refusal(500, TEXTS.overloaded, "NOMAD_OVERLOAD");
  }
  // read in the same turn, and so in one request
  const [inContact, agent] = await Promise.all([
    core.commands.inContact(runner.edge),
    core.commands.edgeAgent(runner.edge),
  ]);
  if (!sessions.isHere || !inContact) throw refusal(500, TEXTS.unreachable, "NOMAD_UNREACHABLE");
  if (!agent?.features?.includes(RUNNERS_FEATURE)) {
    throw refusal(500, TEXTS.unsupported, "NOMAD_INTERNAL_SERVER_ERROR");
  }
  const permit = await tickets.use(id);
  if (!permit) throw refusal(404, TEXTS.unknownExecution);
  await core.runners.touched(runner.user, runner.id);
  const { user, edge, target, exec } = permit;
  const accepted = await acceptUserSocket(incoming, socket, head);
  const session = sessions.open({ user, edge, target, request: { kind: "exec", exec } });
  await runExecution(accepted, session, () => core.runners.whyGone(runner.user, runner.id));
}

/** Would the handshake succeed? What it refuses itself comes too late: the execution's id is used up by then. */
function isWhole(headers: IncomingMessage["headers"]): boolean {
  const protocols = headers["sec-websocket-protocol"];
  return (
    headers["sec-websocket-version"] === "13" &&
    KEY.test(headers["sec-websocket-key"] ?? "") &&
    (protocols === undefined || areProtocols(protocols))
  );
}

function areProtocols(text: string): boolean {
  const all = text.split(",").map((one) => one.trim());
  return all.every((one) => PROTOCOL.test(one)) && new Set(all).size === all.length;
}

/** The id, when it is an unused one of this runner. @throws 404 */
async function checkPermit(
  core: PoseidonCore,
  { user, edge }: Caller,
  runner: Runner,
  id: string | undefined,
): Promise<string> {
  const permit = id ? await core.live.tickets.look(id) : undefined;
  const isOf =
    permit?.user === user &&
    permit.edge === edge &&
    "runner" in permit.target &&
    permit.target.runner === runner.id;
  if (!id || !isOf) throw refusal(404, TEXTS.unknownExecution);
  return id;
}
