import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import { isForeignOrigin } from "../../live/sockets/refuse-upgrade.ts";
import { acceptUserSocket } from "../../live/sockets/user-socket.ts";
import type { Ticket } from "../../live/tickets.ts";
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
  const id = queryValue(c, "executionID");
  checkPermit(id && (await core.live.tickets.look(id)), caller, runner);
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
  const { sessions, tickets } = core.live;
  const id = valueIn(url, "executionID") ?? "";
  // who connects waits for all that is read: what does not depend on each other is read together
  const [runner, looked, inContact, agent] = await Promise.all([
    runnerOf(core, caller, WEBSOCKET_PATH.exec(url)![1]!),
    tickets.look(id),
    core.commands.inContact(caller.edge),
    core.commands.edgeAgent(caller.edge),
  ]);
  checkPermit(looked, caller, runner);
  if (!isWhole(headers)) throw refusal(400, TEXTS.notAnUpgrade);
  if (isForeignOrigin(incoming)) throw refusal(403, TEXTS.otherOrigin);
  const place = sessions.reserve({ user: caller.user, edge: caller.edge, target: { runner: runner.id } });
  if (!place) throw refusal(500, TEXTS.overloaded, "NOMAD_OVERLOAD");
  try {
    if (!sessions.isHere || !inContact) throw refusal(500, TEXTS.unreachable, "NOMAD_UNREACHABLE");
    if (!agent?.features?.includes(RUNNERS_FEATURE)) {
      throw refusal(500, TEXTS.unsupported, "NOMAD_INTERNAL_SERVER_ERROR");
    }
    // the id is good for another connect
    if (socket.destroyed) throw new Error("the client has gone");
    const permit = await tickets.use(id);
    if (!permit) throw refusal(404, TEXTS.unknownExecution);
    // not before: who loses a race for the id begins nothing
    await core.runners.touched(runner.user, runner.id);
    const accepted = await acceptUserSocket(incoming, socket, head);
    const session = place.open({ kind: "exec", exec: permit.exec });
    await runExecution(accepted, session, () => core.runners.whyGone(runner.user, runner.id));
  } finally {
    place.giveBack();
  }
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

/** @throws 404 unless it is an unused one of this runner */
function checkPermit(permit: Ticket | "" | undefined, { user, edge }: Caller, runner: Runner): void {
  const isOf =
    permit &&
    permit.user === user &&
    permit.edge === edge &&
    "runner" in permit.target &&
    permit.target.runner === runner.id;
  if (!isOf) throw refusal(404, TEXTS.unknownExecution);
}
