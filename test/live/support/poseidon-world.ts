import { randomUUID } from "node:crypto";
import { operatorTokens } from "#lambdas/operator-tokens.ts";
import { LIVE_FEATURES } from "#protocol/live-control.ts";
import { runnerDigest } from "#protocol/runner-digest.ts";
import { RUNNERS_FEATURE } from "#protocol/runners.ts";
import { PoseidonClient } from "#test/contract/poseidon/support/client.ts";
import { makeLiveWorld } from "./live-world.ts";

export const WITH_RUNNERS = [...Object.values(LIVE_FEATURES), RUNNERS_FEATURE];

export type PoseidonWorld = Awaited<ReturnType<typeof makePoseidonWorld>>;

/** Poseidon's API before an edge whose runners are this machine's programs, joined by a link that a test can break. */
export async function makePoseidonWorld(of: Parameters<typeof makeLiveWorld>[0] = {}) {
  const world = await makeLiveWorld(of);
  const tokens = new Map<string, string>();
  return Object.assign(world, {
    /** A client with a token of the user, at the ground as it is now. */
    async client(user: string): Promise<PoseidonClient> {
      const { accounts, store } = world.ground;
      const { uid } =
        (await accounts.getUser(user)) ?? (await accounts.addUser(user, "long enough", { edges: ["em1"] }));
      const of = { name: user, user, uid, createdAt: Date.now() };
      const token = tokens.get(user) ?? (await operatorTokens(store, "poseidon").add(of));
      tokens.set(user, token);
      return new PoseidonClient(`${world.url}/api/v1`, token);
    },

    /** The edge tells of so many runners of the environment that can be handed out, and of no others. */
    async fill(user: string, id: number, count: number): Promise<string[]> {
      const { pools } = world.ground;
      const { environments } = await pools.wanted("em1");
      const { generation } = environments.find((one) => one.user === user && one.id === id)!;
      const changed = Array.from({ length: count }, () => {
        return { id: `${id}-${randomUUID()}`, user, generation, state: "idle" as const };
      });
      await pools.exchange("em1", { digest: runnerDigest(changed), changed });
      for (const runner of changed) world.runner(user, runner.id);
      return changed.map((runner) => runner.id);
    },

    /** A runner of an environment of its own. @returns its path */
    async handedOut(
      me: PoseidonClient,
      user: string,
      { id = 0, ...rest } = {} as { id?: number; inactivityTimeout?: number },
    ) {
      await me.body("PUT", `/execution-environments/${id}`, { image: "i", prewarmingPoolSize: 1 });
      await this.fill(user, id, 1);
      const answer = await me.body("POST", "/runners", { executionEnvironmentId: id, ...rest });
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      return `/runners/${answer.json.runnerId}`;
    },
  });
}
