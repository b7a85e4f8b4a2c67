import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OperationHandler } from "#agent/operation.ts";
import { gate, makeWorld, type UserClient, type World } from "#test/support/world.ts";

/** From HTTP through ledger, lock and doorbell to an agent and back; what the agent does is the test's. */
describe("the way of one command", () => {
  let world: World;
  let alice: UserClient;
  let bob: UserClient;
  const start = async (options: Parameters<typeof makeWorld>[0] = {}) => {
    world = await makeWorld(options);
    alice = await world.user("alice");
    bob = await world.user("bob");
  };
  beforeEach(() => start());
  afterEach(() => world.close());

  const nodes: OperationHandler<"nodes.status"> = async () => ({ nodes: [{ name: "fpga", status: "True" }] });

  test("an answer comes back on the wire", async () => {
    await world.agent({ "nodes.status": nodes });
    const answer = await alice.fetch("/em/nodes/status");
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      message: "Nodes retrieved successfully.",
      data: [{ name: "fpga", status: "True" }],
    });
  });

  test("commands arrive although the doorbell never rings", async () => {
    await world.agent({ "nodes.status": nodes }, { silentDoorbell: true, pollMs: 50 });
    expect((await alice.fetch("/em/nodes/status")).status).toBe(200);
  });

  test("while a command holds the lock every other call is 423, and its own user learns which", async () => {
    const hold = gate();
    const reached = gate();
    await world.agent({
      "nodes.status": async (context) => {
        reached.open();
        await hold.passed;
        return nodes(context);
      },
    });
    const first = alice.fetch("/em/nodes/status");
    await reached.passed;
    const own = await alice.fetch("/em/files/list");
    expect(own.status).toBe(423);
    expect(Number(own.headers.get("retry-after"))).toBeGreaterThan(0);
    const body = (await own.json()) as { data: Record<string, unknown> };
    expect(body).toMatchObject({ error: "LOCKED", message: "CG2 is busy" });
    expect(Object.keys(body.data).sort()).toEqual(["command_id", "operation", "since"]);
    const foreign = await bob.fetch("/em/pod/status");
    expect(foreign.status).toBe(423);
    expect(Object.keys(((await foreign.json()) as { data: object }).data)).toEqual(["since"]);
    const uplink = await bob.uplink({ a: "x" });
    expect(uplink.status).toBe(423);
    for (const path of ["/commands", "/edge"]) expect((await alice.fetch(path)).status).toBe(200);
    hold.open();
    expect((await first).status).toBe(200);
    expect((await alice.fetch("/em/nodes/status")).status).toBe(200);
  });

  test("an edge that was never in contact is 503", async () => {
    const answer = await alice.fetch("/em/nodes/status");
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ error: "EM_UNREACHABLE" });
    expect(answer.headers.get("retry-after")).not.toBeNull();
    expect(await (await alice.fetch("/commands")).json()).toMatchObject({ data: [] });
  });

  test("an unclaimed waiting command is withdrawn with 503 and never runs", async () => {
    await world.close();
    await start({ waiting: { withdrawMs: 300 } });
    const agent = await world.agent({ "nodes.status": nodes });
    await agent.stop();
    const answer = await alice.fetch("/em/nodes/status");
    expect(answer.status).toBe(503);
    const { data } = (await (await alice.fetch("/commands")).json()) as { data: { state: string }[] };
    expect(data.map(({ state }) => state)).toEqual(["expired"]);
    const ran: string[] = [];
    await world.agent({
      "nodes.status": async (context) => {
        ran.push(context.command.id);
        return nodes(context);
      },
    });
    // Long enough to be claimed on a slow machine: it queues.
    const later = await alice.fetch("/em/nodes/status", { headers: { prefer: "wait=60" } });
    expect(later.status).toBe(200);
    expect(ran).toHaveLength(1);
  });

  test("Prefer: respond-async queues even without contact and the command is found under its Location", async () => {
    const answer = await alice.fetch("/em/nodes/status", { headers: { prefer: "respond-async" } });
    expect(answer.status).toBe(202);
    const location = answer.headers.get("location")!;
    expect(location).toMatch(/^\/commands\/[0-9A-Z]{26}$/);
    expect(await (await alice.fetch(location)).json()).toMatchObject({
      data: { state: "queued", position: 1 },
    });
    expect((await bob.fetch(location)).status).toBe(404);
    await world.agent({ "nodes.status": nodes });
    let state = "queued";
    while (!["succeeded", "failed"].includes(state)) {
      const now = await alice.fetch(`${location}?wait=10`);
      ({ state } = ((await now.json()) as { data: { state: string } }).data);
    }
    expect(await (await alice.fetch(location)).json()).toMatchObject({
      data: { state: "succeeded", result: { nodes: [{ name: "fpga", status: "True" }] } },
    });
  });

  test("Prefer: wait=N answers the contract's answer in time, or 202", async () => {
    const slow = await alice.fetch("/em/nodes/status", { headers: { prefer: "wait=0" } });
    expect(slow.status).toBe(202);
    await world.agent({ "nodes.status": nodes });
    const answer = await alice.fetch("/em/nodes/status", { headers: { prefer: "wait=20" } });
    expect(answer.status).toBe(200);
  });

  test("uplinked files reach the handler whole, in their manifest", async () => {
    const received: Record<string, string> = {};
    await world.agent({
      "volume.uplink": async (context) => {
        const manifest = await context.manifest();
        for (const file of manifest) {
          const chunks: Buffer[] = [];
          for await (const chunk of await context.fetch(file.n)) chunks.push(chunk as Buffer);
          received[file.path] = Buffer.concat(chunks).toString();
        }
        return { count: manifest.length, bytes: manifest.reduce((sum, file) => sum + file.size, 0) };
      },
    });
    const answer = await alice.uplink(
      { "a.txt": "alpha", "b.txt": "beta!" },
      { dest_path: "in", pod_name: "pod-a" },
    );
    expect(await answer.json()).toEqual({
      message: "Successfully uplinked files",
      data: { file_count: 2, total_size_kb: 0.01 },
    });
    expect(received).toEqual({ "in/a.txt": "alpha", "in/b.txt": "beta!" });
    await expect.poll(() => world.ground.staging.usage("uplink/alice/")).toBe(0);
  });

  test("a failure of the edge is the contract's failure; an unknown one hides its cause", async () => {
    await world.agent({
      "file.delete": async () => {
        throw new Error("secret detail");
      },
    });
    const answer = await alice.fetch("/em/files/delete", {
      method: "POST",
      body: new URLSearchParams({ filepath: "x" }),
    });
    expect(answer.status).toBe(500);
    const text = await answer.text();
    expect(text).not.toContain("secret");
    expect(JSON.parse(text)).toMatchObject({
      error: "INTERNAL_ERROR",
      command_id: expect.stringMatching(/^.{26}$/),
    });
  });

  test("what an asynchronous downlink brought is fetched again, in parts, and by its user only", async () => {
    const text = "0123456789";
    await world.agent({
      "volume.read": async (context) => ({
        kind: "file",
        name: "a.txt",
        total: text.length,
        etag: '"e1"',
        modified: 0,
        content: await context.store(0, Buffer.from(text), 100),
      }),
    });
    const accepted = await alice.fetch("/em/files/downlink?filepath=a.txt", {
      headers: { prefer: "respond-async" },
    });
    expect(accepted.status).toBe(202);
    const location = accepted.headers.get("location")!;
    const state = async () =>
      (
        (await (await alice.fetch(`${location}?wait=10`)).json()) as {
          data: { state: string; content?: string };
        }
      ).data;
    await expect.poll(async () => (await state()).state, { timeout: 90_000 }).toBe("succeeded");
    const path = (await state()).content!;
    const whole = await alice.fetch(path);
    expect(whole.status).toBe(200);
    expect(whole.headers.get("etag")).toBe('"e1"');
    expect(await whole.text()).toBe(text);
    const part = await alice.fetch(path, { headers: { range: "bytes=4-", "if-range": '"e1"' } });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe("bytes 4-9/10");
    expect(await part.text()).toBe("456789");
    expect((await alice.fetch(path, { headers: { range: "bytes=4-", "if-range": '"old"' } })).status).toBe(
      200,
    );
    expect((await alice.fetch(path, { headers: { range: "bytes=10-" } })).status).toBe(416);
    expect((await bob.fetch(path)).status).toBe(404);
  });

  test("a running command is cancelled by its user, and only by its user", async () => {
    const reached = gate();
    await world.agent(
      {
        "nodes.status": ({ signal }) => {
          reached.open();
          return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        },
      },
      { progressMs: 50 },
    );
    const running = alice.fetch("/em/nodes/status");
    await reached.passed;
    const { data } = (await (await alice.fetch("/commands")).json()) as { data: { command_id: string }[] };
    const path = `/commands/${data[0]!.command_id}/cancel`;
    expect((await bob.fetch(path, { method: "POST" })).status).toBe(404);
    expect((await alice.fetch(path, { method: "POST" })).status).toBe(202);
    const answer = await running;
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ error: "CANCELLED" });
    expect((await alice.fetch(path, { method: "POST" })).status).toBe(200);
  });

  test("an Idempotency-Key runs a request once", async () => {
    const ran: string[] = [];
    await world.agent({
      "file.delete": async ({ command }) => {
        ran.push(command.id);
        return {};
      },
    });
    const post = (filepath: string) =>
      alice.fetch("/em/files/delete", {
        method: "POST",
        headers: { "idempotency-key": "k1" },
        body: new URLSearchParams({ filepath }),
      });
    expect(await (await post("x")).json()).toEqual({ message: "File deleted successfully" });
    expect(await (await post("x")).json()).toEqual({ message: "File deleted successfully" });
    expect((await post("y")).status).toBe(422);
    expect(ran).toHaveLength(1);
  });

  test("an agent that was superseded stops, and nothing it says lands", async () => {
    const hold = gate();
    const reached = gate();
    const old = await world.agent(
      {
        "nodes.status": async () => {
          reached.open();
          await hold.passed;
          return { nodes: [{ name: "old", status: "True" }] };
        },
      },
      { state: "old" },
    );
    const call = alice.fetch("/em/nodes/status");
    await reached.passed;
    await world.agent({ "nodes.status": nodes }, { state: "new" });
    hold.open();
    await expect(old.running).rejects.toThrow("newer agent");
    expect(await (await call).json()).toMatchObject({ data: [{ name: "fpga" }] });
  });

  test("a hundred clients at once: one command at a time, every other call 423 with Retry-After", async () => {
    let inside = 0;
    let most = 0;
    await world.agent({
      "nodes.status": async (context) => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside -= 1;
        return nodes(context);
      },
    });
    const answers = await Promise.all(Array.from({ length: 100 }, () => alice.fetch("/em/nodes/status")));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
    expect(new Set(statuses)).toEqual(new Set([200, 423]));
    for (const answer of answers) {
      if (answer.status === 423) expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
    }
    expect(most).toBe(1);
  });
});
