import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { GroundClient } from "#agent/ground/ground-client.ts";
import { GroundSession } from "#agent/ground/ground-session.ts";
import { StoredWindows } from "#lambdas/windows/stored-windows.ts";
import { OPERATION_NAMES } from "#protocol/operations.ts";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";

const MINUTE = 60_000;

describe("a plan of contact windows on the ground", () => {
  let world: World;
  let alice: UserClient;
  let now = Date.parse("2026-05-22T20:00:00Z");
  let windows: StoredWindows;
  beforeEach(async () => {
    world = await makeWorld({ now: () => now });
    alice = await world.user("alice");
    windows = new StoredWindows({ store: world.ground.store, now: () => now });
  });
  afterEach(() => world.close());
  const window = {
    start: Date.parse("2026-05-22T20:41:00Z"),
    end: Date.parse("2026-05-22T20:50:00Z"),
    station: "Svalbard",
    downlinkBps: 8_000,
  };
  const view = {
    start: "2026-05-22T20:41:00.000Z",
    end: "2026-05-22T20:50:00.000Z",
    station: "Svalbard",
    uplink_bps: null,
    downlink_bps: 8_000,
    uplink_bytes: null,
    downlink_bytes: 540_000,
  };
  const refusal = async (answer: Response) => ({
    status: answer.status,
    retryAfter: answer.headers.get("retry-after"),
    body: await answer.json(),
  });
  const bare = { error: "EM_UNREACHABLE", message: "CG2 is not in contact" };

  test("a refusal for lack of contact names the next window, and Retry-After ends at its start", async () => {
    const list = () => alice.fetch("/em/nodes/status").then(refusal);
    const uplink = () => alice.uplink({ a: "x" }).then(refusal);
    expect(await list()).toEqual({ status: 503, retryAfter: "30", body: bare });

    await windows.change("em1", () => [window]);
    const told = { status: 503, retryAfter: String(41 * 60), body: { ...bare, next_window: view } };
    expect(await list()).toEqual(told);
    expect(await uplink()).toEqual(told);

    now = window.end - MINUTE;
    const open = { ...bare, next_window: { ...view, downlink_bytes: 60_000 } };
    expect(await list()).toEqual({ status: 503, retryAfter: "30", body: open });

    now = window.end;
    expect(await list()).toEqual({ status: 503, retryAfter: "30", body: bare });
  });

  test("a wrong plan is in nobody's way: contact is what counts", async () => {
    now = Date.parse("2026-05-22T20:00:00Z");
    await windows.change("em1", () => [window]);
    await world.agent({ "nodes.status": async () => ({ nodes: [] }) });
    expect((await alice.fetch("/em/nodes/status")).status).toBe(200);
  });

  test("an uplink that waits says in which window it is expected to end", async () => {
    const form = new FormData();
    form.append("files", new Blob(["x".repeat(3000)]), "a");
    const headers = { prefer: "respond-async" };
    const answer = await alice.fetch("/em/files/uplink", { method: "POST", headers, body: form });
    const { command_id } = ((await answer.json()) as { data: { command_id: string } }).data;
    const transfer = async () =>
      ((await (await alice.fetch(`/commands/${command_id}`)).json()) as { data: { transfer: unknown } }).data
        .transfer;
    now = Date.parse("2026-05-22T20:00:00Z");
    const left = { direction: "uplink", bytes_left: 3000 };
    expect(await transfer()).toEqual({ ...left, ends_at: null, window: null });
    const slow = { ...window, uplinkBps: 40 };
    const later = { ...slow, start: window.start + 90 * MINUTE, end: window.end + 90 * MINUTE };
    await windows.change("em1", () => [slow, later]);
    // 2700 bytes fit into the first
    expect(await transfer()).toMatchObject({
      ...left,
      ends_at: "2026-05-22T22:12:00.000Z",
      window: { uplink_bytes: 2700 },
    });
    // In the window that is open what the edge has measured says more.
    const client = new GroundClient({ url: world.url, token: world.agentToken });
    const session = new GroundSession(client);
    await session.start({ journal: "j", version: "test", operations: OPERATION_NAMES, features: [] });
    const { epoch } = session;
    await client.heartbeat({ epoch, nodes: [], usage: {}, free: 1e12, uplinkBps: 400, downlinkBps: 1 });
    client.close();
    now = window.start;
    expect(await transfer()).toMatchObject({ ...left, ends_at: "2026-05-22T20:42:00.000Z" });
  });

  test("GET /edge shows what is planned, and null without a plan", async () => {
    now = Date.parse("2026-05-22T20:45:00Z");
    const shown = async () => {
      const { data } = (await (await alice.fetch("/edge")).json()) as { data: { windows: unknown } };
      return data.windows;
    };
    expect(await shown()).toBeNull();
    const later = { ...window, start: window.start + 90 * MINUTE, end: window.end + 90 * MINUTE };
    await windows.change("em1", () => [later, window]);
    const present = { ...view, downlink_bytes: 300_000 };
    const next = { ...view, start: "2026-05-22T22:11:00.000Z", end: "2026-05-22T22:20:00.000Z" };
    expect(await shown()).toEqual({
      revision: 1,
      present,
      next,
      planned: 2,
      windows: [present, next],
    });
  });

  test("an agent is told the revision with its heartbeats, and gets the plan of its own edge", async () => {
    const agent = await world.agent({});
    const { ground, epoch } = agent;
    const beat = () => ground.heartbeat({ epoch, nodes: [], usage: {}, free: 1e12 });
    expect(await beat()).not.toHaveProperty("windows");
    await expect(ground.windowPlan(epoch)).rejects.toMatchObject({ code: "NOT_FOUND" });
    now = window.start - MINUTE;
    await windows.change("em1", () => [window]);
    expect(await beat()).toMatchObject({ windows: 1 });
    expect(await ground.windowPlan(epoch)).toEqual({ revision: 1, windows: [window] });
    await expect(ground.windowPlan(epoch + 1)).rejects.toMatchObject({ code: "STALE_EPOCH" });
  });
});
