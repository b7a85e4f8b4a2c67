import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { archiveOf, gzipSync, tarOf } from "#test/contract/support/archives.ts";
import type { Client } from "#test/contract/support/client.ts";
import { expectOk, expectRefusal } from "#test/contract/support/expectations.ts";
import { runShell, stateOf, untilTerminated } from "./support/on-stack.ts";
import { type BoundsStack, startBoundsStack } from "./support/stack.ts";

const QUOTA = 32 * MiB;
/** Lines of a log: over 13 MiB as they are kept, with their times. */
const BLOCKS = 5;
/** Blocks that are waited for: beyond 10 MiB a log that goes on is fetched at leisure, and whole when its run ends. */
const AWAITED = 3;
const BLOCK = 25_000;
/** Writes so many MiB, then waits to be told to end. */
const writing = (mib: number) =>
  `trap 'exit 0' TERM; dd if=/dev/zero of=/data/big bs=1M count=${mib} 2>/dev/null; echo wrote; sleep 60 & wait`;

let stack: BoundsStack;
let ada: Client;
let bob: Client;

beforeAll(async () => {
  stack = await startBoundsStack({
    env: { PERIGEE_QUOTA: String(QUOTA) },
    agent: { usageMs: 500 },
  });
  ada = stack.client;
  bob = await stack.user("bob");
});
afterAll(() => stack?.stop());

/** Deletes a volume, and waits until the ground knows: it goes by what the agent told it, a moment later. */
async function emptied(volume: string): Promise<void> {
  expectOk(await ada.form("/em/pvc/delete", { pvc_name: volume }), {
    message: "Volume deleted successfully",
  });
  const onEdge = async () => (await ada.get("/edge")).json.data.quota.on_edge;
  await expect.poll(onEdge, { timeout: 20_000 }).toBeLessThan(MiB);
}

/** A command once it has ended. */
async function ended(client: Client, id: string) {
  for (;;) {
    const command = (await client.get(`/commands/${id}`, { wait: 30 })).json.data;
    if (!["queued", "running"].includes(command.state)) return command;
  }
}

const images = async (client: Client) => (await client.get("/em/pod/image/list")).json.data as unknown[];

describe("one quota over volumes, images and staging", () => {
  test("an uplink over it: 507, nothing of it stays, and what is deleted is free again", async () => {
    const large = await ada.uplink({ large: Buffer.alloc(QUOTA + 1) }, { pod_name: "up" });
    expectRefusal(large, 507, "QUOTA_EXCEEDED");
    expect(existsSync(stack.volume("up"))).toBe(false);

    const half = Buffer.alloc(20 * MiB);
    expect((await ada.uplink({ half }, { pod_name: "up" })).status).toBe(200);
    expectRefusal(await ada.uplink({ more: half }, { pod_name: "up2" }), 507, "QUOTA_EXCEEDED");
    expect(existsSync(stack.volume("up2"))).toBe(false);
    expect(existsSync(join(stack.volume("up"), "half"))).toBe(true);
    expect(stack.comingAndGoing()).toEqual([]);
    // everybody has a quota of their own
    expect((await bob.uplink({ half }, { pod_name: "up" })).status).toBe(200);
    expectOk(await bob.form("/em/pvc/delete", { pvc_name: "up" }), {
      message: "Volume deleted successfully",
    });
    await emptied("up");
    expect((await ada.uplink({ more: half }, { pod_name: "up" })).status).toBe(200);
    await emptied("up");
    expect(stack.staged()).toEqual([]);
  });

  test("met by two uplinks at once: one stands, of the other nothing stays", async () => {
    const half = Buffer.alloc(20 * MiB);
    const uplink = (pod_name: string) =>
      ada.uplink({ half }, { pod_name }, { headers: { prefer: "wait=120" } });
    const both = await Promise.all([uplink("left"), uplink("right")]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 507]);
    const [stands, refused] = both[0]!.status === 200 ? ["left", "right"] : ["right", "left"];
    expect(existsSync(join(stack.volume(stands!), "half"))).toBe(true);
    expect(existsSync(stack.volume(refused!))).toBe(false);
    await emptied(stands!);
    expect(stack.staged()).toEqual([]);
  });

  test("what came down counts until it is deleted: another downlink over it is 507", async () => {
    const half = Buffer.alloc(12 * MiB, "x");
    expect((await ada.uplink({ half }, { pod_name: "down" })).status).toBe(200);
    const query = { filepath: "half", pod_name: "down" };
    const kept = { headers: { prefer: "respond-async" } };
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const accepted = await ada.get("/em/files/downlink", query, kept);
      ids.push(accepted.json.data.command_id);
    }
    const ends = await Promise.all(ids.map((id) => ended(ada, id)));
    expect(ends.map(({ state, error }) => error?.code ?? state)).toEqual([
      "succeeded",
      "succeeded",
      "QUOTA_EXCEEDED",
    ]);
    const content = `/commands/${ids[0]}/content`;
    expectOk(await ada.request("DELETE", content), { message: "Content deleted" });
    expect((await ada.get(content)).status).toBe(404);
    expectOk(await ada.request("DELETE", content), { message: "Content deleted" });
    // a plain call leaves nothing, so it may be repeated
    for (let i = 0; i < 3; i++) {
      // not toEqual: it takes seconds for so many bytes, in which the server ends a connection that stands still
      expect(half.equals((await ada.get("/em/files/downlink", query)).bytes)).toBe(true);
    }
    expectOk(await ada.request("DELETE", `/commands/${ids[1]}/content`), { message: "Content deleted" });
    await emptied("down");
  });

  test("a build over it: 507 and no image; one within it counts against what follows", async () => {
    const build = async (image: string, mib: number) => {
      const dockerfile = `FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=${mib}\n`;
      await ada.uplink({ Dockerfile: dockerfile }, { pod_name: "build", dest_path: image });
      return ada.form("/em/pod/image/build", {
        dockerfile: `${image}/Dockerfile`,
        context: image,
        image,
        pod_name: "build",
      });
    };
    expectRefusal(await build("big", 40), 507, "QUOTA_EXCEEDED");
    expect(await images(ada)).toEqual([]);
    expectOk(await build("fits", 20), { message: "Docker Image built successfully" });
    expectRefusal(
      await ada.uplink({ a: Buffer.alloc(20 * MiB) }, { pod_name: "build" }),
      507,
      "QUOTA_EXCEEDED",
    );
    expect((await ada.form("/em/pod/image/delete", { image: "fits" })).status).toBe(200);
    await emptied("build");
  });

  test("a load over it: 507 and no image, though the archive is small", async () => {
    const layer = await tarOf([{ name: "zeros", content: Buffer.alloc(25 * MiB) }]);
    const archive = gzipSync(
      await archiveOf({
        tags: ["small:latest"],
        architecture: process.arch === "x64" ? "amd64" : process.arch,
        command: ["/none"],
        layer,
      }),
    );
    expect(archive.length).toBeLessThan(1 * MiB);
    const ballast = Buffer.alloc(12 * MiB);
    expect((await ada.uplink({ "small.tar.gz": archive, ballast }, { pod_name: "load" })).status).toBe(200);
    const load = () =>
      ada.form("/em/pod/image/load", { tarfile: "small.tar.gz", image: "small", pod_name: "load" });
    expectRefusal(await load(), 507, "QUOTA_EXCEEDED");
    expect(await images(ada)).toEqual([]);
    await ada.form("/em/files/delete", { filepath: "ballast", pod_name: "load" });
    expectOk(await load(), { message: "Tar file loaded successfully" });
    expect((await ada.form("/em/pod/image/delete", { image: "small" })).status).toBe(200);
    await emptied("load");
  });

  test("pods of a user over it are stopped, reason Evicted; nobody else's are", {
    timeout: 540_000,
  }, async () => {
    await runShell(bob, "quiet", writing(1));
    await runShell(ada, "writer", writing(40));
    expect(await untilTerminated(ada, "writer")).toMatchObject({ reason: "Evicted" });
    expect(await stateOf(bob, "quiet")).toHaveProperty("running");
    expectRefusal(await ada.uplink({ a: "a" }, { pod_name: "writer" }), 507, "QUOTA_EXCEEDED");
    // whoever is over it can still look and delete
    expect((await ada.get("/em/files/list", { pod_name: "writer" })).status).toBe(200);
    expectOk(await ada.form("/em/files/delete", { filepath: "big", pod_name: "writer" }), {
      message: "File deleted successfully",
    });
    // the ground goes by what it was told, which is a moment old
    const uplinked = async () => (await ada.uplink({ a: "a" }, { pod_name: "writer" })).status;
    await expect.poll(uplinked, { timeout: 20_000 }).toBe(200);
    expect((await bob.form("/em/pod/stop", { pod_name: "quiet" })).status).toBe(200);
  });
});

describe("a run's log", () => {
  test("has lines of 64 KiB at most, and is kept to its newest 10 MiB", { timeout: 540_000 }, async () => {
    // in blocks, each when the one before has arrived: the engine's own log is small and drops what is not fetched
    const script =
      `for b in $(seq 0 ${BLOCKS - 1}); do ` +
      `awk -v b=$b 'BEGIN { for (i = 1; i <= ${BLOCK}; i++) printf "%09d-%070d\\n", b * ${BLOCK} + i, 0 }'; ` +
      `until [ $b -ge ${AWAITED} ] || [ -e /data/go$b ]; do sleep 0.1; done; done; ` +
      "head -c 70000 /dev/zero | tr '\\0' x; echo; echo end";
    await runShell(ada, "chatty", script);
    const text = (query: object) => ada.get("/em/pod/logs", { pod_name: "chatty", ...query });
    for (let b = 0; b < AWAITED; b++) {
      const last = String((b + 1) * BLOCK).padStart(9, "0");
      while (!(await text({ tail: 1 })).text.startsWith(last)) await pause(50);
      writeFileSync(join(stack.volume("chatty"), `go${b}`), "");
    }
    expect(await untilTerminated(ada, "chatty")).toMatchObject({ exitCode: 0 });
    const log = await text({});
    expect(log.bytes.length).toBeLessThanOrEqual(LIMITS.logBytes);
    // not much less than needed either: it is kept with a time in front of every line
    expect(log.bytes.length).toBeGreaterThan(LIMITS.logBytes / 2);
    const lines = log.text.trimEnd().split("\n");
    expect(lines.at(-1)).toBe("end");
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(
      LIMITS.logLineBytes,
    );
    const numbers = lines.flatMap((line) => /^(\d{9})-/.exec(line)?.[1] ?? []).map(Number);
    expect(numbers[0]).toBeGreaterThan(1);
    expect(numbers.at(-1)).toBe(BLOCKS * BLOCK);
    // none is missing in between, and none is there twice
    const jumps = numbers.flatMap((n, i) =>
      i > 0 && n !== numbers[i - 1]! + 1 ? [[numbers[i - 1], n]] : [],
    );
    expect(jumps).toEqual([]);
  });
});
