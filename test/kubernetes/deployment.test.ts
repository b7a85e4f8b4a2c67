import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "#agent/config.ts";
import type { Client } from "#test/contract/support/client.ts";
import { logIn } from "#test/contract/support/log-in.ts";
import { Child } from "../../scripts/child.ts";
import { cleanEngine } from "../../scripts/clean-engine.ts";
import { prepareData } from "../../scripts/prepare-data.ts";
import { makeAgentImage } from "./support/agent-image.ts";
import { clusterUnderTest } from "./support/cluster-under-test.ts";
import { kubectl } from "./support/kubectl.ts";
import { pushTestImage } from "./support/push-test-image.ts";
import { LoopbackRelay } from "./support/relay.ts";

const MANIFESTS = resolve(import.meta.dirname, "../../infra/kubernetes");
const GROUND = resolve(import.meta.dirname, "../../lambdas/entries/server.ts");
const NAMESPACE = ["-n", "perigee-system"];
const READY_MS = 540_000;
const { own, agentConfig, agentImage: image } = clusterUnderTest();

/** Asks until it is so. @throws Error that tells what was seen last */
async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  last: () => Promise<string>,
): Promise<T> {
  const end = performance.now() + READY_MS;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`${what} did not come: ${await last()}`);
    await pause(250);
  }
}

describe.skipIf(!own)("the agent in the cluster, by the manifests", () => {
  const docker = new Docker();
  const user = { name: "dora", password: randomBytes(15).toString("base64url") };
  let directory: string;
  let ground: Child;
  let relay: LoopbackRelay;
  let client: Client;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "perigee-deployment-"));
    const data = join(directory, "ground");
    const prepared = await prepareData({ data, user: user.name, password: user.password });
    const env = { ...process.env, PERIGEE_DATA: data, PERIGEE_HOST: own!.host, PERIGEE_PORT: "0" };
    ground = await Child.start("ground", [GROUND], env, () => {});
    const { url } = (await ground.ready) as { url: string };
    client = await logIn(url, user);

    const config = readConfig(agentConfig);
    await makeAgentImage(docker, image, own!.program);
    const { reference } = await pushTestImage(docker, config.imageRegistry!, image);
    relay = await LoopbackRelay.open(own!.namespaces[0]!, own!.host, Number(own!.push.split(":")[1]));
    await deploy(url, prepared.tokenFile, reference);
  }, 400_000);
  afterAll(async () => {
    await kubectl(["delete", "--ignore-not-found", "-k", join(directory, "overlay")]);
    await kubectl(["label", "node", "node1", "perigee.agent-"]);
    await relay?.close();
    await ground?.stop(10_000);
    await cleanEngine(docker, join(directory, "edge/agent"));
    rmSync(directory, { recursive: true, force: true });
  });

  /** An overlay as an operator would write it: the image, the directories, the cluster's own settings. */
  async function deploy(url: string, tokenFile: string, reference: string): Promise<void> {
    const overlay = join(directory, "overlay");
    const edge = join(directory, "edge");
    for (const path of [overlay, join(edge, "registry")]) mkdirSync(path, { recursive: true });
    const registry = dirname(own!.passwordFile);
    const [newName, digest] = reference.split("@");
    const config = JSON.parse(readFileSync(join(MANIFESTS, "agent/agent.json"), "utf8"));
    const { kubernetes, imageRegistry } = JSON.parse(readFileSync(agentConfig, "utf8"));
    const { kinds, dns } = kubernetes;
    const storage = { kind: "shared", path: join(edge, "volumes") };
    const { pull, push } = imageRegistry;
    writeFileSync(
      join(overlay, "agent.json"),
      JSON.stringify({
        ...config,
        kubernetes: { ...config.kubernetes, kinds, dns, storage },
        imageRegistry: { ...config.imageRegistry, pull, push, collect: undefined },
      }),
    );
    writeFileSync(join(overlay, "ground"), url);
    copyFileSync(tokenFile, join(overlay, "token"));
    copyFileSync(own!.passwordFile, join(overlay, "registry-password"));
    for (const side of ["push", "pull"]) {
      copyFileSync(join(registry, `${side}.htpasswd`), join(overlay, `${side}.htpasswd`));
    }
    const patch = (target: object, path: string, value: string) => ({
      target,
      patch: JSON.stringify([{ op: "replace", path, value }]),
    });
    const kustomization = {
      apiVersion: "kustomize.config.k8s.io/v1beta1",
      kind: "Kustomization",
      namespace: "perigee-system",
      resources: [relative(overlay, MANIFESTS)],
      images: [{ name: "perigee-agent", newName, digest }],
      configMapGenerator: [{ name: "perigee-agent", behavior: "merge", files: ["agent.json"] }],
      secretGenerator: [
        {
          name: "perigee-agent",
          files: ["ground", "token", "registry-password", "push.htpasswd", "pull.htpasswd"],
        },
      ],
      patches: [
        patch(
          { kind: "Deployment", name: "perigee-agent" },
          "/spec/template/spec/volumes/0/hostPath/path",
          edge,
        ),
        patch(
          { kind: "ValidatingAdmissionPolicy", name: "perigee-agent" },
          "/spec/variables/0/expression",
          `'${join(edge, "volumes")}'`,
        ),
      ],
    };
    writeFileSync(join(overlay, "kustomization.yaml"), JSON.stringify(kustomization));
    expect(await kubectl(["label", "--overwrite", "node", "node1", "perigee.agent=true"])).toMatchObject({
      ok: true,
    });
    expect(await kubectl(["apply", "-k", overlay])).toMatchObject({ ok: true });
  }

  /** Why it is not there yet, for whoever reads the failure. */
  const about = async () =>
    [
      (await kubectl([...NAMESPACE, "get", "pods", "-o", "jsonpath={.items[*].status}"])).text,
      (await kubectl([...NAMESPACE, "logs", "deployment/perigee-agent", "-c", "agent", "--tail=20"])).text,
    ].join("\n");

  test("reaches its ground, with engine, cluster and registry", async () => {
    const contact = await until(
      "the agent",
      async () => {
        const contact = (await client.get("/edge")).json.data.contact.state;
        return contact === "ok" ? contact : undefined;
      },
      about,
    );
    expect(contact).toBe("ok");
    const nodes = (await client.get("/em/nodes/status")).json;
    expect(JSON.stringify(nodes)).toContain("node2");
    const states = "jsonpath={.items[0].status.containerStatuses[*].ready}";
    await until(
      "all containers",
      async () => {
        const { text } = await kubectl([...NAMESPACE, "get", "pods", "-o", states]);
        return text === "true true true" ? text : undefined;
      },
      about,
    );
  });

  test("builds an image and runs it on another node, on a volume that both have", async () => {
    const dockerfile =
      "FROM busybox:latest\nCMD echo built onboard; cat /data/note; echo seen > /data/answer\n";
    const uplinked = await client.uplink({ Dockerfile: dockerfile }, { dest_path: "c", pod_name: "work" });
    expect(uplinked.status).toBe(200);
    expect((await client.uplink({ note: "from the ground\n" }, { pod_name: "work" })).status).toBe(200);
    const fields = { dockerfile: "c/Dockerfile", context: "c", image: "tool", pod_name: "work" };
    expect(await client.form("/em/pod/image/build", fields)).toMatchObject({ status: 200 });
    const run = { image: "tool", node: "MPU", max_duration: 5, pod_name: "work" };
    expect(await client.form("/em/pod/run", run)).toMatchObject({ status: 200 });
    const status = async () => (await client.get("/em/pod/status", { pod_name: "work" })).json.data.state;
    const end = await until(
      "the end of the pod",
      async () => (await status()).terminated,
      async () => JSON.stringify(await status()),
    );
    expect(end).toMatchObject({ exitCode: 0, reason: "Completed" });
    const log = await client.get("/em/pod/logs", { pod_name: "work" });
    expect(log.text).toBe("built onboard\nfrom the ground\n");
    const answer = await client.get("/em/files/downlink", { pod_name: "work", filepath: "answer" });
    expect(answer.text).toBe("seen\n");
  });
});
