import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { GroundClient } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { LiveClient } from "#agent/live/live-client.ts";
import { LIVE_FEATURES } from "#protocol/live-control.ts";
import type { RunnerReport } from "#protocol/pool-wire.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import { LocalSessions } from "#test/live/support/local-sessions.ts";

export type LiveAgent = Awaited<ReturnType<typeof startLiveAgent>>;

/** An agent with live sessions on this machine's programs, whose runners are what the test says. It claims nothing. */
export async function startLiveAgent(place: { url: string; token: string }) {
  const client = new GroundClient(place);
  const session = new GroundSession(client);
  const features = [...Object.values(LIVE_FEATURES), RUNNERS_FEATURE];
  await session.start({ journal: "j", version: "9", operations: [], features });
  const sessions = new LocalSessions();
  const live = new LiveClient(
    {
      ground: place,
      epoch: () => session.epoch,
      sessions,
      targets: { open: () => ({ run: "r", ended: new AbortController().signal, release: () => {} }) },
      execInPods: true,
      log: pino({ level: process.env.PERIGEE_LOG_LEVEL ?? "silent" }),
    },
    { backoffMs: [20, 200], graceMs: 2_000 },
  );
  session.onWishes(({ live: wish }) => live.wished(wish));
  return {
    client,
    session,
    sessions,
    beat: () => session.heartbeat({ nodes: [], usage: {}, free: 1e12 }),
    /** Tells of so many idle runners of the environment 0, which is the only one. */
    async fill(count: number): Promise<void> {
      const { epoch } = session;
      const { user, generation } = (await client.wantedPools(epoch)).environments[0]!;
      const changed = Array.from({ length: count }, (): RunnerReport => {
        return { id: `0-${randomUUID()}`, user, generation, state: "idle" };
      });
      await client.tellPools({ epoch, digest: runnerDigest(changed), changed });
    },
    async close() {
      await live.close();
      client.close();
    },
  };
}
