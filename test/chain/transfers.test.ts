import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { type RangedSource, SourceChanged } from "#agent/files/ranged-source.ts";
import type { GroundClient } from "#agent/ground/ground-client.ts";
import type { EmbeddedOptions } from "#lambdas/embedded.ts";
import { PerigeeError } from "#protocol/errors.ts";
import { KiB, MiB } from "#protocol/limits.ts";
import { FaultyProxy } from "#test/faults/support/faulty-proxy.ts";
import { gate, makeWorld, type World } from "#test/support/world.ts";

type Handlers = Parameters<World["agent"]>[0];
type Context = Parameters<NonNullable<Handlers["volume.read"]>>[0];

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function worldOf(
  options: Partial<EmbeddedOptions> = {},
): Promise<{ world: World; proxy: FaultyProxy }> {
  const world = await makeWorld(options);
  closing.push(() => world.close());
  const proxy = await FaultyProxy.start(world.url);
  closing.push(() => proxy.close());
  return { world, proxy };
}

const sourceOf = (content: Buffer, pin = "pinned"): RangedSource => ({
  size: content.length,
  pin,
  read: (start, length) => Readable.from([content.subarray(start, start + length)], { objectMode: false }),
});

/** A volume.read handler that sends what `store` does. */
function answers(store: (context: Context) => ReturnType<Context["store"]>) {
  return async (context: Context) => {
    const content = await store(context);
    return { kind: "file" as const, name: "f", total: content.size, etag: '"v1"', modified: 0, content };
  };
}

const sends = (content: Buffer, pin?: string) =>
  answers((context) => context.store(0, sourceOf(content, pin), content.length));

const PATH = "/em/files/downlink?filepath=f&pod_name=p";
const sha = (bytes: ArrayBuffer | Buffer) => createHash("sha1").update(new Uint8Array(bytes)).digest("hex");
/** What `alice` is given for the file, however long it takes. */
async function asked(alice: Awaited<ReturnType<World["user"]>>): Promise<Buffer> {
  const accepted = await alice.fetch(PATH, { headers: { prefer: "respond-async" } });
  const command = accepted.headers.get("location")!;
  for (;;) {
    const { data } = (await (await alice.fetch(`${command}?wait=20`)).json()) as { data: { state: string } };
    if (["queued", "running"].includes(data.state)) continue;
    expect(data.state).toBe("succeeded");
    return Buffer.from(await (await alice.fetch(`${command}/content`)).arrayBuffer());
  }
}
const partsPut = (proxy: FaultyProxy) => proxy.seen.filter((line) => line.startsWith("PUT /staging/")).length;

test("an object of 40 MiB arrives over a link that is cut every 3 MiB", async () => {
  const { world, proxy } = await worldOf({ transferPartBytes: 512 * KiB });
  const content = randomBytes(40 * MiB);
  proxy.cutEvery(3 * MiB);
  const agent = { url: proxy.url, silentDoorbell: true, pollMs: 50 };
  await world.agent({ "volume.read": sends(content) }, agent);
  expect(sha(await asked(await world.user("alice")))).toBe(sha(content));
  // Of each window at most the parts under way were for nothing.
  expect(proxy.sentUp).toBeLessThan(content.length + (proxy.sentUp / (3 * MiB) + 1) * 2 * MiB);
});

describe.each([64 * KiB, 5 * MiB, 8 * MiB])("an object sent in parts of %d bytes", (transferPartBytes) => {
  /** So many parts that the fewest bytes show what is to be seen. */
  const total = transferPartBytes === 64 * KiB ? 4 * MiB : 26 * MiB;

  test("arrives over a link that is cut again and again, and is read as one", async () => {
    // What is larger than a window never arrives: the ground chooses parts that are not.
    const window = transferPartBytes + MiB;
    const { world, proxy } = await worldOf({ transferPartBytes });
    const content = randomBytes(total + 17);
    proxy.cutEvery(window);
    const agent = { url: proxy.url, silentDoorbell: true, pollMs: 50 };
    await world.agent({ "volume.read": sends(content) }, agent);
    expect(sha(await asked(await world.user("alice")))).toBe(sha(content));
    // Of each window at most the parts under way were for nothing.
    const windows = proxy.sentUp / window;
    expect(proxy.sentUp).toBeLessThan(content.length + (windows + 1) * (transferPartBytes + 2 * MiB));
  });

  test("is gone on with by the agent's next life and epoch: only what is missing is sent", async () => {
    const { world, proxy } = await worldOf({ transferPartBytes });
    const content = randomBytes(total + 1);
    const half = gate();
    let read = 0;
    const handlers = (onRead: () => void): Handlers => ({
      "volume.read": answers((context) => {
        const source = sourceOf(content);
        const counted: RangedSource = {
          ...source,
          read: (start, length) => {
            read += length;
            onRead();
            return source.read(start, length);
          },
        };
        return context.store(0, counted, content.length);
      }),
    });
    const options = { url: proxy.url, silentDoorbell: true, pollMs: 50 };
    const first = await world.agent(
      handlers(() => {
        if (proxy.sentUp < 0.6 * total) return;
        proxy.cut();
        half.open();
      }),
      options,
    );
    const alice = await world.user("alice");
    const answer = asked(alice);
    await half.passed;
    await first.stop();
    const before = proxy.sentUp;
    read = 0;
    proxy.mend();
    await world.agent(
      handlers(() => {}),
      options,
    );
    expect(sha(await answer)).toBe(sha(content));
    const missing = content.length - before;
    expect(proxy.sentUp - before).toBeLessThan(missing + 2 * transferPartBytes + MiB);
    // Nor is all of it read again to find out: what was noted is skipped.
    expect(read).toBeLessThan(2 * content.length);
  });

  test("has its ranges, its HEAD and its redirect", async () => {
    const { world } = await worldOf({ transferPartBytes });
    const content = randomBytes(9 * MiB + 3);
    await world.agent({ "volume.read": sends(content) });
    const alice = await world.user("alice");
    const accepted = await alice.fetch(PATH, { headers: { prefer: "respond-async" } });
    const path = `${accepted.headers.get("location")}/content`;
    await expect
      .poll(async () => (await alice.fetch(path, { method: "HEAD" })).status, { timeout: 60_000 })
      .toBe(200);
    const head = await alice.fetch(path, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(content.length));
    const edges = [0, 1, 64 * KiB - 1, 64 * KiB, 5 * MiB - 1, 5 * MiB + 1, 8 * MiB, content.length - 1];
    for (const start of edges) {
      for (const end of edges.filter((one) => one >= start)) {
        const part = await alice.fetch(path, { headers: { range: `bytes=${start}-${end}` } });
        expect(part.status).toBe(206);
        expect(sha(await part.arrayBuffer())).toBe(sha(content.subarray(start, end + 1)));
      }
    }
    const beyond = await alice.fetch(path, { headers: { range: `bytes=${content.length}-` } });
    expect(beyond.status).toBe(416);
    const removed = await alice.fetch(path, { method: "DELETE" });
    expect(removed.status).toBe(200);
    expect(await world.ground.staging.list("downlink/")).toEqual([]);
    expect((await alice.fetch(path)).status).toBe(404);
  });
});

test("a part whose answer was lost is not sent again", async () => {
  const { world, proxy } = await worldOf({ transferPartBytes: 5 * MiB });
  const content = randomBytes(15 * MiB);
  void proxy.fault(/^PUT \/staging\//, "answer lost", 3);
  await world.agent({ "volume.read": sends(content) }, { url: proxy.url });
  expect(sha(await asked(await world.user("alice")))).toBe(sha(content));
  expect(partsPut(proxy)).toBe(3);
});

test("answers of the other calls may be lost too, the last one as well", async () => {
  const { world, proxy } = await worldOf({ transferPartBytes: 5 * MiB });
  const content = randomBytes(12 * MiB);
  for (const route of ["", "/parts", "/complete"]) {
    void proxy.fault(new RegExp(`^POST /agent/transfers${route} `), "answer lost");
  }
  await world.agent({ "volume.read": sends(content) }, { url: proxy.url });
  expect(sha(await asked(await world.user("alice")))).toBe(sha(content));
  expect(partsPut(proxy)).toBe(3);
});

test("what has changed begins anew, and nothing of what it was stays", async () => {
  const { world, proxy } = await worldOf({ transferPartBytes: 64 * KiB });
  const before = randomBytes(4 * MiB);
  const after = randomBytes(3 * MiB);
  let calls = 0;
  await world.agent(
    {
      "volume.read": answers(async (context) => {
        const changing: RangedSource = {
          ...sourceOf(before),
          check: () => {
            if (partsPut(proxy) > 40) throw new SourceChanged("changed");
          },
        };
        calls++;
        return context.store(0, changing, before.length).catch((error: unknown) => {
          expect(error).toBeInstanceOf(SourceChanged);
          return context.store(0, sourceOf(after, "later"), after.length);
        });
      }),
    },
    { url: proxy.url },
  );
  expect(sha(await asked(await world.user("alice")))).toBe(sha(after));
  expect(calls).toBe(1);
  const staged = await world.ground.staging.list("downlink/");
  expect(staged.reduce((sum, { size }) => sum + size, 0)).toBe(after.length);
});

test("bytes that are not what the pin said are found at the end, and sent anew", async () => {
  const { world, proxy } = await worldOf({ transferPartBytes: 64 * KiB });
  const content = randomBytes(2 * MiB);
  let reads = 0;
  await world.agent(
    {
      "volume.read": answers((context) => {
        const source = sourceOf(content);
        const lying: RangedSource = {
          ...source,
          // Once a part is hashed as something else than it was when the whole was.
          read: (start, length) => {
            if (start !== 0 || ++reads !== 1) return source.read(start, length);
            return Readable.from([Buffer.alloc(length)], { objectMode: false });
          },
        };
        return context.store(0, lying, content.length);
      }),
    },
    { url: proxy.url },
  );
  expect(sha(await asked(await world.user("alice")))).toBe(sha(content));
});

test("several at once do not get more than the quota together", async () => {
  const { world } = await worldOf({ quota: 20 * MiB, transferPartBytes: 5 * MiB });
  const held = gate();
  const begun = gate();
  let id = "";
  const holding = async (context: Context) => {
    id = context.command.id;
    begun.open();
    await held.passed;
    throw new Error("not needed");
  };
  const { ground: client, epoch } = await world.agent({ "volume.read": holding });
  const alice = await world.user("alice");
  await alice.fetch(PATH, { headers: { prefer: "respond-async" } });
  await begun.passed;
  const of = { epoch, user: "alice", command: id };
  const begin = (n: number, size: number) =>
    client.transfer({ ...of, n, size, transfer: `t${String(n).padStart(20, "0")}` }).then(
      () => "taken",
      (error: { code: string }) => error.code,
    );
  const outcomes = await Promise.all([0, 1, 2, 3].map((n) => begin(n, 8 * MiB)));
  expect(outcomes.toSorted()).toEqual(["QUOTA_EXCEEDED", "QUOTA_EXCEEDED", "taken", "taken"]);
  // Nor does the way of older agents get past the quota.
  const put = client.urls({ ...of, put: [{ n: 9, maxBytes: 30 * MiB, size: 21 * MiB }] });
  await expect(put).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  held.open();
});

test("a ground of an earlier version takes it in one piece", async () => {
  const { world, proxy } = await worldOf();
  const content = randomBytes(9 * MiB);
  const asOf02 = async (...of: Parameters<GroundClient["transfer"]>) => {
    const answer = await fetch(`${world.url}/agent/nothing`, {
      method: "POST",
      headers: { authorization: `Bearer ${world.agentToken}` },
      body: JSON.stringify(of),
    });
    expect(answer.status).toBe(404);
    const { error } = (await answer.json()) as { error: string };
    return Promise.reject(Object.assign(new PerigeeError("NOT_FOUND", error)));
  };
  const agent = await world.agent({ "volume.read": sends(content) }, { url: proxy.url });
  agent.ground.transfer = asOf02;
  const alice = await world.user("alice");
  expect(sha(await asked(alice))).toBe(sha(content));
  expect(proxy.seen.filter((line) => line.startsWith("POST /agent/urls"))).toHaveLength(1);
  expect(partsPut(proxy)).toBe(1);
});

test("over a thin link what can be compressed is, and arrives as it was, cut or not", async () => {
  const { world, proxy } = await worldOf();
  const noise = randomBytes(256 * KiB);
  const content = Buffer.concat([Buffer.from("a line of a log\n".repeat(128 * 1024)), noise]);
  const options = { url: proxy.url, silentDoorbell: true, pollMs: 50, measuresLink: true };
  const agent = await world.agent({ "volume.read": sends(content) }, options);
  agent.ground.link.sent(256 * KiB, 100_000);
  const before = proxy.sentUp;
  proxy.cutEvery(200 * KiB);
  expect(sha(await asked(await world.user("alice")))).toBe(sha(content));
  // of 2.25 MiB
  expect(proxy.sentUp - before).toBeLessThan(MiB);
});

test("over a thin link a few chunks go without a call that asks where", async () => {
  const { world, proxy } = await worldOf();
  const content = randomBytes(200 * KiB);
  const options = { url: proxy.url, silentDoorbell: true, pollMs: 50, measuresLink: true };
  const agent = await world.agent({ "volume.read": sends(content) }, options);
  agent.ground.link.sent(256 * KiB, 100_000);
  expect(sha(await asked(await world.user("alice")))).toBe(sha(content));
  expect(partsPut(proxy)).toBe(4);
  expect(proxy.seen.filter((line) => /^POST .agent.transfers/.test(line))).toEqual([
    expect.stringContaining("/agent/transfers "),
    expect.stringContaining("/agent/transfers/complete "),
  ]);
});
