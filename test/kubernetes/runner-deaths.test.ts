import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import { RunnerEdge } from "./support/runner-edge.ts";
import { testCluster } from "./support/test-cluster.ts";

const WAIT = { timeout: 180_000, interval: 200 };

describe("an agent that is killed, with runners on a cluster", () => {
  let api: KubernetesApi;
  let edge: RunnerEdge;
  beforeAll(async () => {
    api = await KubernetesApi.open({ kubeconfig: testCluster().kubeconfig });
    edge = await RunnerEdge.start(api);
  }, 300_000);
  afterAll(async () => {
    await edge?.close();
    api?.close();
  }, 300_000);

  test("while it starts one: that one is taken away, and the pool is filled once", async () => {
    edge.agent.arm("runners.started");
    await edge.want(1);
    await edge.agent.death("runners.started");
    const [begun] = await edge.pods();
    await edge.agent.start();
    await expect.poll(() => edge.counted(), WAIT).toEqual({ idle: 1, used: 0, pods: 1 });
    expect((await edge.pods())[0]?.metadata.name).not.toBe(begun?.metadata.name);
  });

  test("under used ones: what ran ends with an error and its runner, a quiet one keeps its files", async () => {
    const [busy, quiet] = [await edge.runner(), await edge.runner()];
    expect((await edge.client.patch(quiet, { note: "kept\n" })).status).toBe(204);
    const execution = edge.client.connect(await edge.client.execute(busy, { command: "echo up; sleep 600" }));
    await execution.until(() => execution.text("stdout") !== "");
    await edge.agent.kill();
    expect(await execution.closed).toEqual({ code: 1000, reason: "" });
    expect(execution.end).toEqual({ type: "error", data: "Error executing the request" });
    await edge.agent.start();
    await expect.poll(async () => (await edge.client.get(`${busy}/files`)).status, WAIT).toBe(410);
    expect(await edge.endOf(busy)).toBe("lost");
    const after = await edge.client.run(quiet, "cat note");
    expect([after.text("stdout"), after.end]).toEqual(["kept\r\n", { type: "exit", data: 0 }]);
    await expect.poll(() => edge.counted(), WAIT).toEqual({ idle: 1, used: 1, pods: 2 });
    const names = (await edge.pods()).map(({ metadata }) => `/runners/${metadata.name}`);
    expect(names).toContain(quiet);
    expect(names).not.toContain(busy);
  });
});
