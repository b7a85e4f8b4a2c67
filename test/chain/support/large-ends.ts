import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Ledger } from "#lambdas/ledger/ledger.ts";
import { ITEM_BYTES } from "#lambdas/ports/ledger-store.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, LIMITS } from "#protocol/limits.ts";
import type { ResultOf } from "#protocol/operations.ts";
import type { worldOn } from "#test/support/world.ts";

type World = Pick<Awaited<ReturnType<typeof worldOn>>, "agent" | "user" | "close"> & {
  ground: { ledger: Ledger };
};
type Images = ResultOf<"image.list">["images"];

const image = (n: number): Images[number] => ({
  name: `image-${n}-${"x".repeat(60)}`,
  tag: "latest",
  id: `sha256:${String(n).padStart(64, "0")}`,
  size: 1_000_000,
  created: Date.UTC(2025, 10, 20),
});

/** Whatever a command takes and brings, its record stays within what a ledger's item holds. */
export function largeEnds(name: string, makeWorld: () => Promise<World>): void {
  describe(`large parameters and results on ${name}`, () => {
    let world: World;
    beforeEach(async () => {
      world = await makeWorld();
    });
    afterEach(() => world.close());

    const recordBytes = async (id: string) =>
      Buffer.byteLength(JSON.stringify(await world.ground.ledger.command("alice", id)));

    test("ten thousand images are answered whole, now and as the command's content", async () => {
      const images = Array.from({ length: 10_000 }, (_, n) => image(n));
      await world.agent({ "image.list": async () => ({ images }) });
      const alice = await world.user("alice");
      const answer = await alice.fetch("/em/pod/image/list");
      const { data } = (await answer.json()) as { data: { name: string }[] };
      expect(answer.status).toBe(200);
      expect(data.map((one) => one.name)).toEqual(images.map((one) => one.name));

      const list = await alice.fetch("/commands?limit=1");
      const [command] = ((await list.json()) as { data: { command_id: string; content: string }[] }).data;
      expect(command).toMatchObject({
        state: "succeeded",
        content: `/commands/${command!.command_id}/content`,
      });
      expect(command).not.toHaveProperty("result");
      const content = await alice.fetch(command!.content);
      expect(await content.json()).toEqual({ images });
      expect(await recordBytes(command!.command_id)).toBeLessThan(LIMITS.inlineResultBytes);

      const bob = await world.user("bob", ["em1"]);
      expect((await bob.fetch(command!.content)).status).toBe(404);
    });

    test("a result over what an agent may report fails its command, and the edge goes on", async () => {
      const images = Array.from({ length: 25_000 }, (_, n) => image(n));
      expect(JSON.stringify(images).length).toBeGreaterThan(LIMITS.reportBytes);
      await world.agent({
        "image.list": async () => ({ images }),
        "nodes.status": async () => ({ nodes: [] }),
      });
      const alice = await world.user("alice");
      const answer = await alice.fetch("/em/pod/image/list");
      expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([
        500,
        "INTERNAL_ERROR",
      ]);
      expect((await alice.fetch("/em/nodes/status")).status).toBe(200);
    });

    test("content that is not in staging as the agent says is not believed", async () => {
      await world.agent({
        "volume.list": async ({ input, store }) => {
          if (input.volume === "absent") return { content: { n: 0, size: 2 }, truncated: false };
          const stored = await store(0, Buffer.from("[ ]"), 3);
          return { content: { ...stored, size: input.volume === "right" ? 3 : 2 }, truncated: false };
        },
      });
      const alice = await world.user("alice");
      const list = async (pod: string) => (await alice.fetch(`/em/files/list?pod_name=${pod}`)).status;
      expect([await list("absent"), await list("longer"), await list("right")]).toEqual([500, 500, 200]);
    });

    test("of a long log_tail the newest lines are kept", async () => {
      // escaped, each of these takes six times its bytes
      const lines = Array.from({ length: 100 }, (_, n) => `${n} ${"\u001b".repeat(4000)}\n`);
      const failure = new PerigeeError("BUILD_FAILED", "no".repeat(100_000), { data: { log_tail: lines } });
      await world.agent({ "image.build": () => Promise.reject(failure) });
      const alice = await world.user("alice");
      const answer = await alice.fetch("/em/pod/image/build", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ pod_name: "p", image: "i", dockerfile: "Dockerfile", context: "ctx" }),
      });
      const body = (await answer.json()) as { error: string; log_tail: string[] };
      expect(body.error).toBe("BUILD_FAILED");
      expect(body.log_tail.length).toBeGreaterThan(3);
      expect(body.log_tail).toEqual(lines.slice(-body.log_tail.length));
      const [command] = await world.ground.ledger.commands("alice", { limit: 1 });
      expect(await recordBytes(command!.id)).toBeLessThan(ITEM_BYTES);
    });

    test("what no key can hold is not found, whatever else is asked for at that moment", async () => {
      const alice = await world.user("alice");
      const status = async (path: string) => (await alice.fetch(path)).status;
      const long = "x".repeat(3000);
      const asked = [`/commands/${long}`, `/commands/${long}/content`, "/commands/%F0%9F%9B%B0", "/commands"];
      expect(await Promise.all(asked.map(status))).toEqual([404, 404, 404, 200]);
      expect(await status(`/commands?before=${long}`)).toBe(200);
      expect(await status(`/commands?before=${"%C3%A9".repeat(600)}`)).toBe(200);
    });

    test("parameters over the bound are refused, and leave no command", async () => {
      await world.agent({});
      const alice = await world.user("alice");
      const run = (more: object) =>
        alice.fetch("/em/pod/run", {
          method: "POST",
          headers: { "content-type": "application/json", prefer: "respond-async" },
          body: JSON.stringify({ pod_name: "p", image: "i", node: "MPU", max_duration: 1, ...more }),
        });
      const ports = (count: number) => Array.from({ length: count }, (_, n) => n + 1);
      const refused = await run({ ports: ports(40_000) });
      expect([refused.status, ((await refused.json()) as { error: string }).error]).toEqual([
        400,
        "INVALID_PARAMETERS",
      ]);
      const { ledger } = world.ground;
      const input = { text: "x".repeat(LIMITS.inputBytes) };
      const draft = { user: "alice", edge: "em1", operation: "pod.run" as const, input };
      await expect(ledger.submit(draft, "queue")).rejects.toMatchObject({ code: "BODY_TOO_LARGE" });
      expect(await ledger.commands("alice", { limit: 1 })).toEqual([]);
      const large = await run({ ports: ports(64), envs: { LARGE: "x".repeat(100 * KiB) } });
      expect(large.status).toBe(202);
    });
  });
}
