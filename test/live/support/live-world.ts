import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { GroundClient } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { HttpDoorbell } from "#agent/ground/http-doorbell.ts";
import { LiveClient, type LiveClientOptions } from "#agent/live/live-client.ts";
import type { TargetEnd } from "#agent/live/live-target.ts";
import { SessionFailure } from "#agent/sessions/pod-sessions.ts";
import { createEmbeddedGround, type EmbeddedOptions } from "#lambdas/embedded.ts";
import { serveGround } from "#lambdas/serve-ground.ts";
import type { ExecParameters, LiveEnd, LiveRequest } from "#protocol/live.ts";
import { LIVE_FEATURES } from "#protocol/live-control.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { openLink } from "./link.ts";
import { LocalSessions } from "./local-sessions.ts";

export const RUN = "01JD6Z0V3E8T4Q5R6S7T8V9W0X";

export type LiveWorld = Awaited<ReturnType<typeof makeLiveWorld>>;

/** A served ground and an edge with live sessions on this machine's programs, joined by a link that a test can break. */
export async function makeLiveWorld(
  of: { live?: EmbeddedOptions["live"]; agent?: LiveClientOptions; now?: () => number } = {},
) {
  const data = await mkdtemp(join(tmpdir(), "perigee-live-"));
  const log = pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" });
  const { tuning, ...live } = of.live ?? {};
  // most sessions here are of users who have no account
  const relay = { usersMs: Number.POSITIVE_INFINITY, ...tuning?.relay };
  async function serve() {
    const ground = await createEmbeddedGround({
      data,
      log,
      passwordCost: QUICK_PASSWORDS,
      live: { ...live, tuning: { ...tuning, relay } },
      ...(of.now && { now: of.now }),
    });
    return { ground, server: await serveGround(ground, { host: "127.0.0.1", port: 0 }) };
  }
  let { ground, server } = await serve();
  const { token } = await ground.accounts.addEdge("em1");
  const link = await openLink(server.url);
  const sessions = new LocalSessions();
  const targets = new Map<string, AbortController>();
  const agents: { stop(): Promise<void> }[] = [];

  async function startAgent({
    features = Object.values(LIVE_FEATURES) as string[],
    through = link.url,
    execInPods = true,
  } = {}) {
    const client = new GroundClient({ url: through, token });
    const session = new GroundSession(client);
    const stopping = new AbortController();
    await session.start({ journal: "j", version: "9", operations: [], features });
    const live = new LiveClient(
      {
        ground: { url: through, token },
        epoch: () => session.epoch,
        sessions,
        targets: {
          open(user, target) {
            const ended = targets.get(`${user}/${"pod" in target ? target.pod : target.runner}`);
            if (!ended) throw new SessionFailure("GONE", "the pod does not run");
            return { run: RUN, ended: ended.signal, release: () => {} };
          },
        },
        execInPods,
        log,
      },
      { backoffMs: [20, 200], graceMs: 2_000, ...of.agent },
    );
    session.onWishes(({ live: wish }) => live.wished(wish));
    const beat = () => session.heartbeat({ nodes: [], usage: {}, free: 1 });
    await beat();
    const doorbell = new HttpDoorbell({ ground: through, token });
    const claiming = (async () => {
      while (!stopping.signal.aborted) {
        await doorbell.wait(8_000, stopping.signal);
        if (stopping.signal.aborted) return;
        await session.claim({ room: { em: 1 }, have: [] }).catch(() => {});
      }
    })();
    const agent = {
      live,
      session,
      beat,
      async stop() {
        stopping.abort();
        await live.close();
        await claiming;
        client.close();
      },
    };
    agents.push(agent);
    return agent;
  }

  return {
    get ground() {
      return ground;
    },
    get url() {
      return server.url;
    },
    /** Nothing gets through until it is plugged in again. */
    unplug() {
      link.target = "http://127.0.0.1:1";
      link.cut();
    },
    plug() {
      link.target = server.url;
    },
    /** Another process of the ground takes over the data of this one. */
    async restartGround() {
      this.unplug();
      await server.close(500);
      await ground.close();
      ({ ground, server } = await serve());
      this.plug();
    },
    link,
    sessions,
    token,
    startAgent,
    /** The user's runner of this id runs on the edge. @returns ends it */
    runner(user: string, id: string): (end: TargetEnd) => void {
      const ended = new AbortController();
      targets.set(`${user}/${id}`, ended);
      return (end) => ended.abort(end);
    },
    /** A pod of the user that runs, on the ground as on the edge. @returns ends it */
    async pod(user: string, pod: string): Promise<(end: TargetEnd) => void> {
      const ended = new AbortController();
      targets.set(`${user}/${pod}`, ended);
      const state = { running: { startedAt: new Date().toISOString() } };
      await ground.runs.record("em1", [{ user, pod, run: RUN, image: "i", node: "mpu1", state }]);
      return (end) => ended.abort(end);
    },
    /** A session straight at the relay. */
    open(user: string, pod: string, request: LiveRequest) {
      return ground.live.relay!.open({ user, edge: "em1", target: { pod, run: RUN }, request });
    },
    async user(name: string) {
      const password = "correct horse battery";
      await ground.accounts.addUser(name, password, { edges: ["em1"] });
      const answer = await fetch(`${server.url}/auth/`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ username: name, password }),
      });
      const { access } = (await answer.json()) as { access: string };
      return {
        name,
        fetch: (path: string, init: RequestInit = {}) =>
          fetch(`${server.url}${path}`, {
            ...init,
            headers: {
              authorization: `Bearer ${access}`,
              "content-type": "application/json",
              ...init.headers,
            },
          }),
      };
    },
    async close() {
      await Promise.all(agents.map((agent) => agent.stop()));
      link.close();
      await server.close(500);
      await ground.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}

export function exec(argv: string[], more: Partial<ExecParameters> = {}): LiveRequest {
  return { kind: "exec", exec: { argv, as: "own", env: {}, stop: "hangup", ...more } };
}

/** All output and the end of a session. */
export async function whole(session: ReturnType<LiveWorld["open"]>) {
  const out: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for await (const { stream, data } of session.output) out[stream].push(Buffer.from(data));
  const end: LiveEnd = await session.ended;
  return { stdout: Buffer.concat(out.stdout).toString(), stderr: Buffer.concat(out.stderr).toString(), end };
}
