import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeWorld, type UserClient, type World } from "#test/support/world.ts";
import { FirstAgent } from "./support/first-agent.ts";
import { FIRST_INPUTS } from "./support/first-wire.ts";

/** An agent of version 0.1 keeps serving the EM API, whatever the ground's version. */
describe("an agent that speaks the wire of version 0.1", () => {
  let world: World;
  let alice: UserClient;
  let agent: FirstAgent;
  beforeAll(async () => {
    world = await makeWorld();
    alice = await world.user("alice");
    agent = await FirstAgent.start(world.url, world.agentToken);
  });
  afterAll(async () => {
    await agent?.stop();
    await world.close();
  });

  const post = async (path: string, fields: Record<string, string> = {}) => {
    const answer = await alice.fetch(`/em/${path}`, { method: "POST", body: new URLSearchParams(fields) });
    return { status: answer.status, ...((await answer.json()) as { message: string; data?: unknown }) };
  };

  test("does every command of the EM API, under the names and in the shapes that it knows", async () => {
    const ok = { status: 200 };
    expect((await alice.uplink({ "d/Dockerfile": "FROM scratch", "i.tar": "tar" })).status).toBe(200);
    expect(await post("files/list")).toMatchObject({
      ...ok,
      data: [{ path: "d/Dockerfile", size: 12 }, { path: "i.tar" }],
    });
    const file = await alice.fetch("/em/files/downlink?filepath=d/Dockerfile");
    expect([file.status, await file.text()]).toEqual([200, "FROM scratch"]);
    const build = { dockerfile: "d/Dockerfile", context: "d/", image: "built" };
    expect(await post("pod/image/build", build)).toMatchObject(ok);
    expect(await post("pod/image/load", { tarfile: "i.tar", image: "loaded" })).toMatchObject(ok);
    expect(await post("pod/image/list")).toMatchObject({ ...ok, data: [{}, {}] });
    const run = { image: "built", max_duration: "5", node: "MPU", command: '["sh"]', envs: '{"A":"1"}' };
    expect(await post("pod/run", run)).toMatchObject(ok);
    expect(await post("pod/status")).toMatchObject({ ...ok, data: { state: { running: {} } } });
    expect(await post("pod/stop")).toMatchObject(ok);
    expect(await post("pod/image/delete", { image: "loaded" })).toMatchObject(ok);
    expect(await post("files/delete", { filepath: "i.tar" })).toMatchObject(ok);
    expect(await post("pvc/list")).toMatchObject({ ...ok, data: [{ name: "default" }] });
    expect(await post("pvc/delete", { pvc_name: "default" })).toMatchObject(ok);
    expect(await post("nodes/status")).toMatchObject({ ...ok, data: [{ name: "mpu", status: "True" }] });

    // the operator's is not the EM's
    const given = new Set(agent.done.map(({ command }) => command.operation));
    expect([...given, "edge.publish"].sort()).toEqual(Object.keys(FIRST_INPUTS).sort());
    expect(agent.done.find(({ command }) => command.operation === "pod.run")?.input).toMatchObject({
      volume: "default",
      node: "MPU",
      maxDuration: 5,
      envs: { A: "1" },
    });
    expect([...agent.asked].sort()).toEqual(["claim", "doorbell", "heartbeat", "progress", "report", "urls"]);
  });

  test("is given one command at a time, in order, however many wait", async () => {
    const before = agent.done.length;
    const prefer = { prefer: "respond-async" };
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      const answer = await alice.fetch("/em/nodes/status", { headers: prefer });
      ids.push(answer.headers.get("location")!.split("/").at(-1)!);
    }
    await expect.poll(() => agent.done.length, { timeout: 60_000 }).toBe(before + 5);
    expect(agent.done.slice(before).map(({ command }) => command.id)).toEqual(ids);
  });

  test("what it cannot do is refused when it is asked for, and never given to it", async () => {
    const { dispatch } = world.ground;
    const of = {
      user: "alice",
      edge: "em1",
      lane: "em",
      admission: "queue",
      wait: { kind: "none" },
    } as const;
    const refused = { code: "UNSUPPORTED_OPERATION" };
    const space = { volume: "v", space: "unik" };
    await expect(dispatch.run({ ...of, operation: "volume.list", input: space })).rejects.toMatchObject(
      refused,
    );
    await expect(dispatch.run({ ...of, operation: "volume.remove", input: space })).rejects.toMatchObject(
      refused,
    );
    const edge = (await (await alice.fetch("/edge")).json()) as { data: { agent: { version: string } } };
    expect(edge.data.agent.version).toBe("0.1.0");
  });
});
