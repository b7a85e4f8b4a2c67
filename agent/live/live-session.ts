import type { Logger } from "pino";
import type { LiveRequest } from "#protocol/live.ts";
import type { OpenMessage } from "#protocol/live-control.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import type { LiveTraffic } from "#protocol/live-traffic.ts";
import { type PodSessions, SessionFailure } from "../sessions/pod-sessions.ts";
import type { LiveSocket } from "./live-socket.ts";
import type { LiveTargets, OpenTarget } from "./live-target.ts";
import { serveExec } from "./serve-exec.ts";
import { serveFiles } from "./serve-files.ts";
import { endOf, endOfTarget } from "./session-ends.ts";
import { AgentLeg } from "./session-leg.ts";

export type LiveSessionDeps = {
  sessions: PodSessions;
  targets: LiveTargets;
  traffic: LiveTraffic;
  /** may users execute in their pods here */
  execInPods: boolean;
  log: Logger;
};

/** Changes nothing: may begin before the ground has said that the session is this socket's. */
const onlyReads = ({ kind }: LiveRequest) => kind === "list" || kind === "read";

/**
 * Waits on a socket for its one session, and serves it. `offered` is called when there is one. Resolves when the socket
 * is over, and nothing of its session is left to do.
 */
export async function serveSocket(
  socket: LiveSocket,
  { sessions, targets, traffic, execInPods, log }: LiveSessionDeps,
  offered: () => void,
): Promise<void> {
  const offer = Promise.withResolvers<OpenMessage | undefined>();
  const going = Promise.withResolvers<boolean>();
  let kind: LiveRequest["kind"] | undefined;
  const leg = new AgentLeg(socket, {
    offered(open) {
      kind = open.request.kind;
      offered();
      offer.resolve(open);
    },
    go: () => going.resolve(true),
    window: () => traffic.window(kind),
    moved: () => traffic.moved(kind),
  });
  const over = new Promise<void>((resolve) => {
    socket.onClose(() => {
      offer.resolve(undefined);
      going.resolve(false);
      resolve();
    });
  });
  const open = await offer.promise;
  if (open) {
    try {
      await serveSession(open, leg, { sessions, targets, execInPods, going: going.promise });
    } catch (error) {
      if (!(error instanceof SessionFailure)) log.error({ err: error, kind }, "a live session failed");
      leg.end(endOf(error));
    }
  }
  await over;
}

async function serveSession(
  { user, target: of, request }: OpenMessage,
  leg: AgentLeg,
  deps: Pick<LiveSessionDeps, "sessions" | "targets" | "execInPods"> & { going: Promise<boolean> },
): Promise<void> {
  const { sessions, targets, execInPods, going } = deps;
  const needed = request.kind === "exec" ? "exec" : "files";
  if (!sessions.features.includes(needed) || ("pod" in of && request.kind === "exec" && !execInPods)) {
    throw new SessionFailure("UNSUPPORTED", "this edge does not offer it");
  }
  const target: OpenTarget = await targets.open(user, of, request.kind);
  try {
    if (target.ended.aborted) {
      leg.end(endOfTarget(target.ended));
      return;
    }
    // beside the round trip for its start
    if (request.kind === "exec" && request.exec.terminal?.stderr === "apart") {
      void sessions.prepare(target.run, request.exec.as);
    }
    leg.ready();
    if (!onlyReads(request) && !(await going)) return;
    if (request.kind === "exec") {
      await serveExec(sessions, { exec: request.exec, target, leg }, { stopMs: LIVE_LIMITS.stopMs });
    } else await serveFiles(sessions, { request, target, leg });
  } finally {
    target.release();
  }
}
