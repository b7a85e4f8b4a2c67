import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "#agent/config.ts";
import { fpgaDevice } from "#agent/fpga/device-config.ts";
import { LoaderPods } from "#agent/fpga/kubernetes/loader-pods.ts";
import { PodProgrammer } from "#agent/fpga/kubernetes/pod-programmer.ts";
import { KubernetesApi } from "#agent/pods/kubernetes/api.ts";
import type { Pod } from "#agent/pods/kubernetes/types.ts";
import { type Deployment, deploy, docker, type Lane } from "#test/faults/support/deployment.ts";
import { FpgaLane } from "#test/faults/support/fpga-lane.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { FifoDevice } from "#test/support/fpga/fifo-device.ts";
import { makeAgentImage } from "./support/agent-image.ts";
import { agentKubeconfig } from "./support/agent-kubeconfig.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { applyLoaderWorld, removeLoaderWorld } from "./support/loader-world.ts";
import { pushTestImage } from "./support/push-test-image.ts";

const { own, agentConfig, agentImage: image, kubeconfig } = clusterUnderTest();
const IDCODE = "0x03822093";
/** Both nodes are of the kind. Only the first has a device: the second's manager is not there. */
const NODES = { "kubernetes.io/os": "linux" };
const [NODE, BARE] = ["node1", "node2"];
const RESOURCE = `perigee.test/fpga-${randomBytes(3).toString("hex")}`;
const COUNTS = "cat /data/loads";

describe.skipIf(!own)("FPGAs of a cluster's nodes, programmed by loaders", () => {
  const directory = mkdtempSync(join(tmpdir(), "perigee-loaders-"));
  const stream = buildRawStream();
  let device: FifoDevice;
  let deployment: Deployment;
  let lane: Lane;
  let fpga: FpgaLane;
  let overlay: string;
  let api: KubernetesApi;
  let reference: string;

  const capacity = (most: string | null) =>
    api.call(`/api/v1/nodes/${NODE}/status`, {
      ...{ method: "PATCH", patch: "strategic", body: { status: { capacity: { [RESOURCE]: most } } } },
    });
  const pods = async (labelSelector: string, namespace?: string) => {
    const path = namespace ? `/api/v1/namespaces/${namespace}/pods` : "/api/v1/pods";
    return (await api.list<Pod>(path, { labelSelector })).items;
  };
  const loaders = () => pods("perigee.instance", "perigee-fpga");

  beforeAll(async () => {
    api = await KubernetesApi.open({ kubeconfig });
    device = new FifoDevice();
    await makeAgentImage(docker, image, own!.program);
    ({ reference } = await pushTestImage(docker, readConfig(agentConfig).imageRegistry!, image));
    const given = JSON.parse(readFileSync(agentConfig, "utf8"));
    const { collect: _, ...imageRegistry } = given.imageRegistry;
    const devices = [
      { node: NODE, root: device.root, idcode: IDCODE, resource: RESOURCE },
      { node: BARE, root: device.root, manager: "fpga9" },
    ];
    const kubernetes = {
      ...given.kubernetes,
      kubeconfig: join(directory, "agent.kubeconfig"),
      kinds: { ...given.kubernetes.kinds, FPGA: { labels: NODES } },
      fpga: { image: reference },
    };
    deployment = await deploy(1, {
      agents: false,
      ground: { PERIGEE_DIALECTS: "em,fpga" },
      agent: { ...given, kubernetes, imageRegistry, fpga: devices },
    });
    [lane] = deployment.lanes as [Lane];
    fpga = new FpgaLane(lane);
    overlay = await applyLoaderWorld(directory, {
      ...{ image: reference, nodes: NODES, root: device.root },
      store: join(lane.agentData, "fpga"),
      volumes: join(lane.agentData, "volumes"),
      agent: { fpga: devices },
    });
    await agentKubeconfig(directory);
    await capacity("1");
    await lane.agent.start();
  }, 400_000);
  afterAll(async () => {
    await deployment?.close();
    await capacity(null).catch(() => {});
    if (overlay) await removeLoaderWorld(overlay);
    api?.close();
    device?.close();
    rmSync(directory, { recursive: true, force: true });
  }, 400_000);

  let names = 0;
  /** A pod whose volume has the device's load counter from now on. */
  const pod = (onLoad?: () => Promise<void>): string => {
    const name = `fpga-${names++}`;
    device.onLoad = async () => {
      mkdirSync(lane.volume(name), { recursive: true });
      writeFileSync(join(lane.volume(name), "loads"), `${device.loads.length + 1}\n`);
      await onLoad?.();
    };
    return name;
  };
  const run = async (name: string, command: string, fpga_image = "counter") =>
    expect(await fpga.run(name, command, { fpga_image })).toMatchObject({ status: 200 });
  const inFile = (sha256: string) => join(lane.agentData, "fpga", lane.user, sha256);

  test("a loader on the node programs the device, and only then there is the run's pod, on that node", async () => {
    const seen = async () => (await lane.client.get("/edge")).json.data.fpga;
    await expect.poll(seen, { timeout: 300_000 }).toMatchObject([
      { node: NODE, adapter: "xilinx-sysfs", driver: "simulated ZynqMP FPGA Manager" },
      { node: BARE, adapter: "none" },
    ]);
    // what is not known of a device cannot be compared with a file
    const id = await fpga.register("counter", stream);
    expect(await fpga.detail(id)).toMatchObject({ status: "active", message: null });
    let meanwhile: { loaders: Pod[]; own: Pod[] } | undefined;
    const name = pod(async () => {
      meanwhile = {
        loaders: await loaders(),
        own: await pods(`perigee.pod=${name},perigee.user=${lane.user}`),
      };
    });
    const looks = [device.root, lane.agentData, "/host", "/store"].join(" ");
    await run(
      name,
      `${COUNTS}; ls -d ${looks} 2>/dev/null; touch /sys/x 2>/dev/null; env | grep -c PERIGEE_; sleep 2`,
    );
    await fpga.state(name, (state) => "running" in state);
    const [mine] = await pods(`perigee.pod=${name},perigee.user=${lane.user}`);
    expect(mine?.spec.nodeName).toBe(NODE);
    expect(mine?.spec.containers[0]).toMatchObject({
      resources: { requests: { [RESOURCE]: "1" }, limits: { [RESOURCE]: "1" } },
    });
    expect(JSON.stringify(mine?.spec)).not.toContain("hostPath");
    expect(await fpga.end(name)).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(await fpga.log(name)).toBe("1\n0\n");
    expect(device.loads[0]?.equals(stream)).toBe(true);
    expect(meanwhile).toMatchObject({ loaders: [{ spec: { nodeName: NODE } }], own: [] });
    expect(await loaders()).toEqual([]);
    await expect.poll(seen).toMatchObject([{ state: "operating", loaded: { image: id } }, {}]);
  });

  test("a device is one run's until that has ended", async () => {
    const [first, second] = [pod(), pod()];
    await run(first, "while [ ! -e /data/end ]; do sleep 0.1; done");
    await fpga.state(first, (state) => "running" in state);
    const loads = device.loads.length;
    await run(second, "true");
    expect(
      await fpga.state(second, (state) => "waiting" in state && state.waiting.reason === "Unschedulable"),
    ).toEqual({
      waiting: { reason: "Unschedulable", message: "every FPGA that takes the image is in use" },
    });
    expect(device.loads).toHaveLength(loads);
    writeFileSync(join(lane.volume(first), "end"), "");
    expect(await fpga.end(second)).toMatchObject({ exitCode: 0 });
    expect(device.loads).toHaveLength(loads + 1);
  });

  test("what the device, the node and the file lack ends the run before it began, with a code", async () => {
    const failed = (message: RegExp) => ({
      ...{ exitCode: 128, reason: "FpgaLoadError", startedAt: null },
      message: expect.stringMatching(message),
    });
    const bare = buildRawStream({ size: 8192 });
    await fpga.register("elsewhere", bare, { perigee_node: BARE });
    const nowhere = pod();
    await run(nowhere, "true", "elsewhere");
    expect(await fpga.end(nowhere)).toMatchObject(failed(/^NO_DEVICE: /));

    device.fails = "write error";
    const broken = pod();
    await run(broken, "true");
    expect(await fpga.end(broken)).toMatchObject(failed(/^LOAD_FAILED: the device is "write error"/));
    device.fails = undefined;

    const lost = await fpga.register("lost", buildRawStream({ size: 12_288 }));
    const { sha256 } = JSON.parse(
      readFileSync(join(lane.agentData, "fpga", lane.user, "images", `${lost}.json`), "utf8"),
    );
    writeFileSync(inFile(sha256), "another file");
    const changed = pod();
    await run(changed, "true", "lost");
    expect(await fpga.end(changed)).toMatchObject(failed(/^NOT_STORED: the node has another file/));
    rmSync(inFile(sha256));
    const gone = pod();
    await run(gone, "true", "lost");
    expect(await fpga.end(gone)).toMatchObject(failed(/^NOT_STORED: /));
  });

  test("the agent dies while the loader writes: that one ends, and the run starts once, after a load of its own", async () => {
    let begun = () => {};
    const writing = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const name = pod();
    device.onLoad = () => {
      begun();
      return new Promise(() => {});
    };
    await run(name, `${COUNTS}; echo x >> /data/starts; cat /data/starts`);
    await writing;
    await lane.agent.kill();
    const [left] = await loaders();
    const loads = device.loads.length;
    device.onLoad = async () => {
      expect((await loaders()).map(({ metadata }) => metadata.uid)).not.toContain(left?.metadata.uid);
      mkdirSync(lane.volume(name), { recursive: true });
      writeFileSync(join(lane.volume(name), "loads"), `${device.loads.length + 1}\n`);
    };
    await lane.agent.start();
    expect(await fpga.end(name)).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(await fpga.log(name)).toBe(`${loads + 1}\nx\n`);
    expect(device.loads).toHaveLength(loads + 1);
    expect(await loaders()).toEqual([]);
  });

  test("a loader that does not come back is a LOAD_TIMEOUT, and is taken away", async () => {
    const config = fpgaDevice.parse({ node: NODE, root: device.root, deadlineMs: 1_000 });
    const kind = { labels: NODES };
    const store = join(lane.agentData, "fpga");
    const programmer = new PodProgrammer(
      config,
      new LoaderPods({ api, instance: "by-hand", image: reference, store, kind }),
    );
    expect(await programmer.probe()).toMatchObject({ adapter: "xilinx-sysfs" });
    device.block();
    const { signal } = new AbortController();
    const { sha256 } = JSON.parse(
      readFileSync(
        join(lane.agentData, "fpga", lane.user, "images", `${await fpga.register("again", stream)}.json`),
        "utf8",
      ),
    );
    const file = { path: inFile(sha256), sha256, payloadAt: 0, payloadBytes: stream.length };
    await expect(programmer.load(file, { partial: false, signal })).rejects.toMatchObject({
      code: "LOAD_TIMEOUT",
    });
    expect(await loaders()).toEqual([]);
    device.unblock();
    expect(await programmer.current()).toMatchObject({ state: "operating" });
  });
});
