import { randomBytes } from "node:crypto";
import { readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OperationHandler } from "#agent/operation.ts";
import { Stage } from "#cli/testing/cli-process.ts";
import { token } from "#cli/testing/ground.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { FaultyProxy } from "#test/faults/support/faulty-proxy.ts";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";

/** A loaded machine is slow; what is waited for comes. */
const SOON = { timeout: 90_000 };

const PARTS = 6;
const SIZE = (PARTS - 1) * LIMITS.partBytes + 1234;
const PUT = /^PUT \/staging\//;

describe("perigee uplink of what is large, over a connection that breaks", () => {
  let world: World;
  let alice: UserClient;
  let proxy: FaultyProxy;
  let stage: Stage;
  const content = randomBytes(SIZE);
  const received = new Map<string, Buffer>();

  const receive: OperationHandler<"volume.uplink"> = async ({ input, manifest, fetch }) => {
    for (const { n, path, size } of await manifest()) {
      const chunks: Buffer[] = [];
      if (size > 0) for await (const chunk of await fetch(n)) chunks.push(chunk as Buffer);
      received.set(`${input.volume}:${path}`, Buffer.concat(chunks));
    }
    return { count: input.count, bytes: input.bytes };
  };

  beforeEach(async () => {
    received.clear();
    world = await makeWorld({ partsOver: 4 * MiB });
    alice = await world.user("alice");
    proxy = await FaultyProxy.start(world.url);
    stage = await Stage.open();
    await stage.logIn();
    const tokens = { username: "alice", access: alice.token, refresh: token(600) };
    await writeFile(stage.credentials, JSON.stringify({ [proxy.url]: tokens }));
    await writeFile(join(stage.dir, "big.bin"), content);
    await world.agent({ "volume.uplink": receive });
  });
  afterEach(async () => {
    await stage.close();
    await proxy.close();
    await world.close();
  });

  const start = (...more: string[]) =>
    stage.start(["uplink", "big.bin", "--pod", "pod-a", "--no-delta", ...more], {
      env: { PERIGEE_URL: proxy.url },
    });
  const puts = () => proxy.seen.filter((line) => PUT.test(line));
  const numbers = (lines: string[]) => lines.map((line) => Number(/[?&]part=(\d+)/.exec(line)?.[1])).sort();
  const records = async () =>
    readdir(join(dirname(stage.credentials), "uplinks")).catch(() => [] as string[]);
  const commands = async () =>
    ((await (await alice.fetch("/commands")).json()) as { data: { command_id: string; state: string }[] })
      .data;
  const arrived = () => received.get("pod-a:big.bin")?.equals(content);

  test("it goes in parts by itself, each sent once, and leaves nothing behind", async () => {
    await writeFile(join(stage.dir, "empty"), "");
    await writeFile(join(stage.dir, "small"), "small");
    const { code, stdout, stderr } = await start("empty", "small", "--dest", "in", "--json").ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      message: "Successfully uplinked files",
      data: { file_count: 3, total_size_kb: Math.round(((SIZE + 5) / 1024) * 100) / 100 },
    });
    expect(received.get("pod-a:in/big.bin")?.equals(content)).toBe(true);
    expect(String(received.get("pod-a:in/small"))).toBe("small");
    expect(received.get("pod-a:in/empty")).toHaveLength(0);
    expect(puts()).toHaveLength(PARTS + 1);
    expect(proxy.seen.some((line) => line.includes("/em/files/uplink"))).toBe(false);
    expect(await records()).toEqual([]);
    await expect.poll(() => world.ground.staging.list("uplink/"), SOON).toEqual([]);
  });

  test("what is small goes in one body", async () => {
    await writeFile(join(stage.dir, "big.bin"), content.subarray(0, 2 * MiB));
    expect((await start().ended).code).toBe(0);
    expect(puts()).toEqual([]);
    expect(received.get("pod-a:big.bin")).toHaveLength(2 * MiB);
  });

  test("parts that are lost on the way are sent again, and no others", async () => {
    proxy.fault(/^PUT .*[?&]part=2&/, "request lost");
    // it has arrived, but nobody was told
    proxy.fault(/^PUT .*[?&]part=4&/, "answer lost");
    proxy.fault(/^POST \/uplinks\/\w+\/parts/, "answer lost");
    proxy.fault(/^POST \/uplinks\/\w+\/complete/, "answer lost");
    proxy.fault(/^POST \/uplinks /, "answer lost");
    const { code, stderr } = await start().ended;
    expect(stderr).toContain("sending that part again");
    expect(code).toBe(0);
    expect(arrived()).toBe(true);
    expect(numbers(puts())).toEqual([1, 2, 2, 3, 4, 5, 6]);
    expect(await commands()).toMatchObject([{ state: "succeeded" }]);
  });

  test.each(["SIGINT", "SIGKILL"] as const)(
    "ended by %s in the middle, the same command goes on: only what was in flight is sent again",
    async (signal) => {
      proxy.fault(/^PUT .*[?&]part=[56]&/, "request held", 2);
      const first = start();
      const [command] = await expect
        .poll(commands, SOON)
        .toHaveLength(1)
        .then(() => commands());
      const upload = async () =>
        (
          (await (await alice.fetch(`/uplinks/${command!.command_id}`)).json()) as {
            data: { missing: number; missing_files: unknown };
          }
        ).data;
      await expect.poll(async () => (await upload()).missing, SOON).toBe(2);
      // both are on their way: the proxy holds these, and none of the next run
      await expect.poll(() => numbers(puts()).slice(-2), SOON).toEqual([5, 6]);
      first.child.kill(signal);
      const { code, stderr } = await first.ended;
      if (signal === "SIGINT") {
        expect(code).toBe(130);
        expect(stderr).toContain("run the same command again to go on");
        expect(stderr).toContain(`perigee cancel ${command!.command_id}`);
      }
      expect((await upload()).missing_files).toEqual([{ file: 0, parts: [5, 6] }]);
      const before = proxy.seen.length;
      const second = await start().ended;
      expect(second.stderr).toContain(`going on with upload ${command!.command_id}`);
      expect(second.code).toBe(0);
      expect(numbers(proxy.seen.slice(before).filter((line) => PUT.test(line)))).toEqual([5, 6]);
      expect(arrived()).toBe(true);
      expect(await commands()).toMatchObject([{ command_id: command!.command_id, state: "succeeded" }]);
      expect(await records()).toEqual([]);
    },
  );

  test("an upload that was cancelled meanwhile ends, and the same command begins anew", async () => {
    proxy.fault(/^PUT .*[?&]part=6&/, "request held");
    const first = start();
    await expect.poll(commands, SOON).toHaveLength(1);
    const [{ command_id: id } = { command_id: "" }] = await commands();
    await proxyHolds();
    expect((await alice.fetch(`/commands/${id}/cancel`, { method: "POST" })).status).toBe(200);
    proxy.release();
    const { code, stderr } = await first.ended;
    expect(stderr).toContain("(UPLINK_ENDED)");
    expect(stderr).toContain("run the same command again");
    expect(code).toBe(1);
    expect(received.size).toBe(0);
    expect((await start().ended).code).toBe(0);
    expect(arrived()).toBe(true);
    expect((await commands()).map(({ state }) => state)).toEqual(["succeeded", "cancelled"]);
  });

  test("a file that changes while it is sent ends the upload, with nothing uplinked", async () => {
    proxy.fault(/^POST \/uplinks /, "request held");
    const running = start();
    await expect.poll(() => proxy.seen.some((line) => line.startsWith("POST /uplinks ")), SOON).toBe(true);
    await writeFile(join(stage.dir, "big.bin"), randomBytes(SIZE));
    proxy.release();
    const { code, stderr } = await running.ended;
    expect(stderr).toContain("changed while it was sent");
    expect(code).toBe(1);
    expect(received.size).toBe(0);
    expect(await commands()).toMatchObject([{ state: "cancelled" }]);
    expect(await records()).toEqual([]);
  });

  test("without contact it gives up after --wait, and says how to go on", async () => {
    const cut = proxy.fault(PUT, "request lost").then(() => proxy.cut());
    const { code, stderr } = await start("--wait", "2s").ended;
    await cut;
    expect(code).toBe(6);
    expect(stderr).toContain("run the same command again to go on");
    proxy.mend();
    expect((await start().ended).code).toBe(0);
    expect(arrived()).toBe(true);
    expect(await commands()).toHaveLength(1);
  });

  /** Part 6 is on its way and goes no further. */
  function proxyHolds() {
    return expect.poll(() => numbers(puts()).includes(6), SOON).toBe(true);
  }
});
