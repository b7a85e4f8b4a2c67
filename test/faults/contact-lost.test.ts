import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { edge, NetworkRig, until } from "./support/network-rig.ts";

const rig = new NetworkRig();
beforeEach(() => rig.begin());
afterEach(() => rig.end());

describe("while contact is lost", () => {
  async function loseContact() {
    const hold = rig.gate();
    const reached = rig.gate();
    const { effects, handlers } = edge();
    const agent = await rig.start({
      ...handlers,
      "file.delete": async (context) => {
        if (context.input.path === "x") {
          reached.open();
          await hold.passed;
        }
        return handlers["file.delete"]!(context);
      },
    });
    const call = rig.destroy("x");
    await reached.passed;
    const queued = await rig.destroy("queued", { prefer: "respond-async" });
    expect(queued.status).toBe(202);
    rig.proxy.cut();
    rig.clock += 91_000;
    const [second, first] = await rig.world.ground.ledger.commands("alice", { limit: 2 });
    return { agent, hold, call, effects, id: first!.id, queuedId: second!.id };
  }

  test("EM routes answer 503, commands and edge still answer, and say so", async () => {
    const { hold, call, id } = await loseContact();
    const document = (await (await rig.alice.fetch("/openapi.json")).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      path.startsWith("/em/") && path !== "/em/pod/logs"
        ? Object.keys(methods).map((method) => [method.toUpperCase(), path] as const)
        : [],
    );
    expect(routes.length).toBeGreaterThan(15);
    const fields = {
      filepath: "f",
      dockerfile: "d",
      context: "c",
      image: "i",
      tarfile: "t",
      max_duration: "1",
      node: "MPU",
      pod_name: "p",
    };
    for (const [method, path] of routes) {
      const query = new URLSearchParams(fields);
      const body = new FormData();
      body.append("files", new Blob(["x"]), "x");
      const answer =
        path === "/em/files/uplink"
          ? await rig.alice.fetch(path, { method, body })
          : method === "GET" || method === "HEAD"
            ? await rig.alice.fetch(`${path}?${query}`, { method })
            : await rig.alice.fetch(path, { method, body: query });
      expect([path, answer.status]).toEqual([path, 503]);
      if (method !== "HEAD") expect(await answer.json()).toMatchObject({ error: "EM_UNREACHABLE" });
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    const seen = await rig.alice.fetch(`/commands/${id}`);
    expect(await seen.json()).toMatchObject({ data: { state: "running", contact: "lost" } });
    expect(await (await rig.alice.fetch("/edge")).json()).toMatchObject({
      data: { contact: { state: "lost" }, busy: { command_id: id }, queued: 1 },
    });
    expect((await rig.alice.fetch("/em/pod/logs?pod_name=p")).status).toBe(404);
    expect((await rig.alice.fetch("/commands")).status).toBe(200);
    rig.proxy.mend();
    hold.open();
    expect((await call).status).toBe(200);
  });

  test("nothing frees the lock, however long it takes; then the command ends as if nothing had been", async () => {
    const { agent, hold, call, effects, id, queuedId } = await loseContact();
    for (const hours of [1, 24, 24 * 30]) {
      rig.clock += hours * 3600_000;
      await rig.world.ground.janitor.round();
      expect(await rig.world.ground.ledger.lane("em1")).toMatchObject({
        running: [{ id, claim: expect.any(Object) }],
        queue: [{ id: queuedId }],
      });
      expect(await rig.command(id)).toMatchObject({ state: "running", attempts: 1 });
    }
    rig.proxy.mend();
    await agent.beat();
    hold.open();
    expect((await call).status).toBe(200);
    await until(async () => ((await rig.command(queuedId)).state === "succeeded" ? true : undefined));
    expect(effects).toEqual(["delete x", "delete queued"]);
  });

  test("only the operator's reset gives it up; what the agent says later changes nothing", async () => {
    const { hold, call, effects, id, queuedId } = await loseContact();
    const reset = await rig.world.ground.ledger.resetEdge("em1");
    expect(reset).toMatchObject([{ id, state: "failed", failure: { code: "INTERRUPTED" } }]);
    const answer = await call;
    expect([answer.status, await answer.json()]).toMatchObject([500, { error: "INTERRUPTED" }]);
    const before = await rig.command(id);
    rig.proxy.mend();
    hold.open();
    await until(async () => ((await rig.command(queuedId)).state === "succeeded" ? true : undefined));
    expect(await rig.command(id)).toEqual(before);
    expect(effects).toEqual(["delete x", "delete queued"]);
  });
});
