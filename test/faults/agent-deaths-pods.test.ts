import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LABEL } from "#agent/pods/labels.ts";
import type { ContainerState } from "#protocol/operations.ts";
import { type Deployment, deploy, docker, type Lane } from "./support/deployment.ts";
import { expectOne, killedAt, newest, pointsOf } from "./support/killed-at.ts";

let deployment: Deployment;
beforeAll(async () => {
  deployment = await deploy(3);
});
afterAll(() => deployment.close());

const WAIT_MS = 90_000;

/** Counts its starts, and its stops if it is stopped. */
const UNTIL_TERM =
  "trap 'echo x >> /data/stopped; exit 0' TERM; echo x >> /data/started; while :; do sleep 0.1; done";

function run({ client }: Lane, pod_name: string, command: string) {
  return client.form("/em/pod/run", { image: "busybox", max_duration: 5, node: "MPU", pod_name, command });
}

/** How many lines the payload has written to a file of its volume. */
function lines(lane: Lane, pod: string, file: string): number {
  const path = join(lane.volume(pod), file);
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const over = performance.now() + WAIT_MS; ; await pause(50)) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > over) throw new Error(`still waiting for ${what}`);
  }
}

/** How the newest run of the pod ended, once it has: as reported, which takes no command, then as asked. */
async function terminated({ client }: Lane, pod_name: string) {
  type Pod = { pod_name: string; state: ContainerState };
  await until(`${pod_name} to end`, async () => {
    const pods = (await client.get("/edge")).json.data.pods as Pod[];
    return pods.find((pod) => pod.pod_name === pod_name && "terminated" in pod.state);
  });
  return (await client.get("/em/pod/status", { pod_name })).json.data.state.terminated;
}

/** The engine has no container of the pod any more: nothing that its end has in train is still to come. */
function gone({ user }: Lane, pod: string) {
  const label = [`${LABEL.user}=${user}`, `${LABEL.pod}=${pod}`];
  return until(`${pod} to be removed`, async () => {
    return (await docker.listContainers({ all: true, filters: { label } })).length === 0 || undefined;
  });
}

/** Other runs of these tests use the same engine. */
const unique = `t${process.pid}x${Date.now().toString(36)}`;

describe("the agent dies while it works on pods, and is started again", () => {
  describe.concurrent("run", () => {
    const points = pointsOf(
      "pod.run",
      ["pods.recorded", "pods.starting", "pods.created", "pods.started", "pods.flushed", "pods.removed"],
      "everywhere",
    );
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[0]!;
      const pod = `${unique}p${points.indexOf(point)}`;
      const before = await newest(lane);
      const answer = await killedAt(lane, point, () => run(lane, pod, "echo out; echo x >> /data/started"));
      expect(answer.json).toEqual({ message: "Docker run scheduled successfully" });
      expect(await terminated(lane, pod)).toMatchObject({ exitCode: 0, reason: "Completed" });
      const log = await lane.client.get("/em/pod/logs", { pod_name: pod });
      expect({ status: log.status, text: log.text }).toEqual({ status: 200, text: "out\n" });
      await gone(lane, pod);
      expect(lines(lane, pod, "started")).toBe(1);
      await expectOne(lane, "pod.run", before);
    });
  });

  describe.concurrent("run in place of a running one", () => {
    test.each(["pods.stopping", "pods.stopped"])("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[1]!;
      const pod = `${unique}${point.replace(".", "")}`;
      await run(lane, pod, UNTIL_TERM);
      await until("its start", async () => lines(lane, pod, "started") || undefined);
      const answer = await killedAt(lane, point, () => run(lane, pod, "echo x >> /data/second"));
      expect(answer.json).toEqual({ message: "Docker run scheduled successfully" });
      expect(await terminated(lane, pod)).toMatchObject({ exitCode: 0 });
      await gone(lane, pod);
      expect(["started", "stopped", "second"].map((file) => lines(lane, pod, file))).toEqual([1, 1, 1]);
    });
  });

  describe.concurrent("stop", () => {
    const points = pointsOf("pod.stop", ["pods.stopping", "pods.stopped"], "handler");
    test.each(points)("killed at %s", { concurrent: false }, async (point) => {
      const lane = deployment.lanes[2]!;
      const pod = `${unique}s${points.indexOf(point)}`;
      await run(lane, pod, UNTIL_TERM);
      await until("its start", async () => lines(lane, pod, "started") || undefined);
      const before = await newest(lane);
      const answer = await killedAt(lane, point, () => lane.client.form("/em/pod/stop", { pod_name: pod }));
      expect(answer.json).toEqual({ message: "Pod stopped successfully" });
      expect(await terminated(lane, pod)).toMatchObject({ exitCode: 0 });
      await gone(lane, pod);
      expect(["started", "stopped"].map((file) => lines(lane, pod, file))).toEqual([1, 1]);
      await expectOne(lane, "pod.stop", before);
    });
  });
});
