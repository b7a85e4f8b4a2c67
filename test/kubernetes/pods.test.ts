import { existsSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubernetesRuntime } from "#agent/pods/kubernetes/runtime.ts";
import type { Pod } from "#agent/pods/kubernetes/types.ts";
import { NotStartedYet, type RunSpec, StartFailure } from "#agent/pods/pod-runtime.ts";
import { MiB } from "#protocol/limits.ts";
import { mountOf, volumePathOf } from "#test/support/run-mounts.ts";
import { KubernetesRig } from "./support/kubernetes-rig.ts";
import { testCluster } from "./support/test-cluster.ts";

let rig: KubernetesRig;
let runtime: KubernetesRuntime;
beforeAll(async () => {
  rig = await KubernetesRig.create();
  runtime = await rig.runtime();
});
afterAll(() => rig?.cleanUp());

const ended = (run: string) =>
  rig.until(async () => {
    const state = await runtime.inspect(run);
    return state && "terminated" in state && state.terminated;
  });

/** What a start says that is not done yet. */
async function notYet(of: KubernetesRuntime, spec: RunSpec): Promise<{ reason: string; message: string }> {
  const error = await of.start(spec).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(NotStartedYet);
  const { reason, message } = error as NotStartedYet;
  return { reason, message };
}

const pathOf = ({ metadata }: Pod) => `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;

describe("a payload", () => {
  test("has no token, no address of the API server, no privileges and no capability to get any", async () => {
    const run = rig.sh(
      "env | grep -c KUBERNETES_.*=.; ls /var/run/secrets 2>/dev/null; sed -n 's/^NoNewPrivs:[^0-9]*//p;s/^Seccomp:[^0-9]*//p;s/^CapBnd:[^0-9a-f]*//p' /proc/self/status; hostname",
      { pod: "closed" },
    );
    await runtime.start(run);
    const [environment, capabilities, noNewPrivileges, seccomp, hostname] = await rig.lines(runtime, run.run);
    expect([environment, noNewPrivileges, seccomp, hostname]).toEqual(["0", "1", "2", "closed"]);
    const bounding = BigInt(`0x${capabilities}`);
    // setpcap, net_raw, sys_chroot, sys_admin, mknod, audit_write, setfcap
    for (const bit of [8n, 13n, 18n, 21n, 27n, 29n, 31n]) expect(bounding & (1n << bit)).toBe(0n);
  });

  test("gets its arguments as they are: Kubernetes puts no variables in", async () => {
    const texts = ["$(GREETING)", "$$(GREETING)", "$GREETING", "$", "$$"];
    const run = rig.sh("", {
      command: ["/bin/echo"],
      args: texts,
      envs: { GREETING: "hi", OTHER: "$(GREETING)" },
    });
    const other = rig.sh("echo $OTHER", { pod: "other", envs: { GREETING: "hi", OTHER: "$(GREETING)" } });
    await Promise.all([runtime.start(run), runtime.start(other)]);
    expect(await rig.lines(runtime, run.run)).toEqual([texts.join(" ")]);
    expect(await rig.lines(runtime, other.run)).toEqual(["$(GREETING)"]);
  });

  test("writes more outside its volume than it may: Evicted, and told why", async () => {
    const run = rig.sh("dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null; echo written; sleep 1000");
    await runtime.start(run);
    expect(await ended(run.run)).toMatchObject({ reason: "Evicted", message: expect.stringContaining("64") });
  });
});

describe("the files that a node gives a payload", () => {
  test("cannot be written, or count as its own", async () => {
    const files = ["/etc/hostname", "/etc/resolv.conf", "/.perigee/message", "/.perigee/up/message"];
    const run = rig.sh(
      `for f in ${files.join(" ")}; do echo x 2>/dev/null >> $f && echo "$f is writable"; rm -f $f; done 2>/dev/null; cat /etc/hostname /etc/resolv.conf`,
      { pod: "files" },
    );
    await runtime.start(run);
    expect(await rig.lines(runtime, run.run)).toEqual([
      "files",
      `search ${rig.names.namespace("ada")}.svc.${testCluster().dns.domain}`,
      `nameserver ${testCluster().dns.address ?? "127.0.0.1"}`,
      "options ndots:1",
    ]);
  });

  test("its /etc/hosts counts: Evicted", async () => {
    const run = rig.sh("dd if=/dev/zero of=/etc/hosts bs=1M count=100 2>/dev/null; sleep 1000", {
      pod: "hosts",
    });
    await runtime.start(run);
    expect(await ended(run.run)).toMatchObject({ reason: "Evicted" });
  });
});

describe("a payload's lines", () => {
  test("that look like those of a node's log are its own; a long one is whole, characters and all", async () => {
    const forged = "2026-01-01T00:00:00.000000000Z stdout F forged";
    const script = `echo '${forged}'; printf 'a'; i=0; while [ $i -lt 30000 ]; do printf 'é'; i=$((i+1)); done; echo; printf 'no end'`;
    const run = rig.sh(script, { pod: "lines" });
    await runtime.start(run);
    await ended(run.run);
    let text = "";
    for await (const frame of runtime.logs(run.run, { follow: false })) {
      text += frame.text.toString() + (frame.partial ? "" : "\n");
    }
    expect(text).toBe(`${forged}\na${"é".repeat(30_000)}\nno end`);
  });
});

describe("a pod with ports", () => {
  test("reaches its node with its ports open; one whose ports are refused never runs", async () => {
    const run = rig.sh("echo ran", { pod: "ports", ports: [8080] });
    await runtime.start(run);
    expect(await rig.lines(runtime, run.run)).toEqual(["ran"]);
    const volumePath = rig.volume("ada-refused");
    // A pod may begin with a digit, and a service may not.
    const over = { pod: "1refused", ports: [8080], mounts: [mountOf(volumePath, "refused")] };
    const refused = rig.sh("echo ran > /data/ran", over);
    await expect(runtime.start(refused)).rejects.toBeInstanceOf(StartFailure);
    expect(existsSync(`${volumePath}/ran`)).toBe(false);
    await runtime.remove(refused.run);
    expect(await runtime.inspect(refused.run)).toBeUndefined();
  });
});

describe("what cannot start yet", () => {
  test("no room on any node: Unschedulable, in the scheduler's words; it starts when there is room", async () => {
    const nodes = await rig.nodes();
    const huge = await rig.runtime({
      requests: { memory: 64 * MiB, cpus: 900 },
      limits: { memory: 64 * MiB, cpus: 900, scratch: MiB },
    });
    const run = rig.sh("true", { user: "huge", mounts: [mountOf(rig.volume("huge-default"), "default")] });
    const { reason, message } = await notYet(huge, run);
    expect(reason).toBe("Unschedulable");
    expect(message).toMatch(new RegExp(`^0/${nodes.length} nodes are available: .*Insufficient cpu`));
    expect(message).not.toMatch(/preemption/);
    expect(await huge.inspect(run.run)).toEqual({ waiting: { reason, message } });
    expect(await huge.list()).toContainEqual({
      run: run.run,
      user: "huge",
      pod: "default",
      phase: "created",
    });
    await huge.stop(run.run, 30_000);
    expect(await huge.inspect(run.run)).toMatchObject({ waiting: {} });
    await huge.remove(run.run);
    expect(await huge.inspect(run.run)).toBeUndefined();
  });

  test("an image that the nodes cannot pull: ImagePullBackOff, without the registry's address", async () => {
    const reference = `registry.invalid:5000/ada-tool@sha256:${"0".repeat(64)}`;
    const away = await rig.runtime({ images: { reference: async () => reference } });
    const run = rig.sh("true", { pod: "away" });
    const { reason, message } = await notYet(away, run);
    expect(reason).toBe("ImagePullBackOff");
    expect(message).not.toContain("registry.invalid");
    await away.stop(run.run, 30_000);
    expect(await away.inspect(run.run)).toMatchObject({ waiting: {} });
    await away.remove(run.run);
  });

  test("a user's pods over the quota: Unschedulable, and started when there is room again", async () => {
    const small = await rig.runtime({ quota: { pods: 1 } });
    const first = rig.sh("sleep 1000", { user: "small", pod: "first" });
    const second = rig.sh("echo second", { user: "small", pod: "second" });
    await small.start(first);
    const { reason, message } = await notYet(small, second);
    expect(reason).toBe("Unschedulable");
    expect(message).toContain("pods=1");
    await small.remove(first.run);
    await rig.until(() => small.start(second).catch((error) => error instanceof NotStartedYet && undefined));
    expect(await rig.lines(small, second.run)).toEqual(["second"]);
  });
});

describe("a run that has started is never started again", () => {
  test("deleted by hand it ends by its exit code, with its times", async () => {
    const run = rig.sh("trap 'exit 3' TERM; echo up; echo x >> /data/count; while :; do sleep 0.1; done", {
      pod: "byhand",
      mounts: [mountOf(rig.volume("ada-byhand"), "byhand")],
    });
    await runtime.start(run);
    await rig.api.call(pathOf(await rig.pod(run.run)), { method: "DELETE" });
    const end = await ended(run.run);
    expect(end).toMatchObject({ exitCode: 3, reason: "Error", startedAt: expect.stringMatching(/Z$/) });
    await runtime.start(run);
    expect(await ended(run.run)).toEqual(end);
    expect(readFileSync(`${volumePathOf(run)}/count`, "utf8")).toBe("x\n");
    expect(await runtime.list()).toContainEqual({ run: run.run, user: "ada", pod: "byhand", phase: "ended" });
    await runtime.remove(run.run);
    expect(await runtime.inspect(run.run)).toBeUndefined();
  });

  test("its log stays after a graceful stop", async () => {
    const run = rig.sh("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done", { pod: "bye" });
    await runtime.start(run);
    await rig.until(async () => {
      for await (const { text } of runtime.logs(run.run, { follow: false }))
        if (`${text}` === "up") return true;
      return false;
    });
    await runtime.stop(run.run, 30_000);
    expect(await ended(run.run)).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(await rig.lines(runtime, run.run)).toEqual(["up", "bye"]);
  });

  test("without the agent Kubernetes ends it, with the agent's word for it", async () => {
    const run = rig.sh("trap 'exit 0' TERM; while :; do sleep 0.1; done", { pod: "alone", maxMs: 1_000 });
    await runtime.start(run);
    expect(await ended(run.run)).toMatchObject({ exitCode: 0, reason: "DeadlineExceeded" });
  });
});

describe("volumes", () => {
  test("the claim's end, the namespace's and the volume object's never touch the files", async () => {
    const run = rig.sh("echo kept > /data/file", {
      user: "keeper",
      mounts: [mountOf(rig.volume("keeper-default"), "default")],
    });
    await runtime.start(run);
    await ended(run.run);
    await runtime.remove(run.run);
    const namespace = rig.names.namespace("keeper");
    await rig.api.call(`/api/v1/namespaces/${namespace}`, { method: "DELETE" });
    const again = rig.sh("cat /data/file", { user: "keeper", mounts: run.mounts });
    const later = await rig.runtime();
    await rig.until(() => later.start(again).catch(() => undefined));
    expect(await rig.lines(later, again.run)).toEqual(["kept"]);
    await later.remove(again.run);
    await later.tidy("keeper");
    expect(existsSync(`${volumePathOf(run)}/file`)).toBe(true);
    expect(await rig.api.call(`/api/v1/namespaces/${namespace}`)).toMatchObject({
      status: { phase: "Active" },
    });
  });

  test("a user whose last volume is gone leaves nothing in the cluster", async () => {
    const run = rig.sh("true", {
      user: "leaver",
      mounts: [mountOf(rig.volume("leaver-default"), "default")],
    });
    await runtime.start(run);
    await runtime.remove(run.run);
    rmSync(volumePathOf(run), { recursive: true });
    await runtime.tidy("leaver");
    const labelSelector = `${rig.names.selector},perigee.user=leaver`;
    await rig.until(async () => {
      const lists = await Promise.all(
        ["namespaces", "persistentvolumes"].map((kind) => rig.api.list(`/api/v1/${kind}`, { labelSelector })),
      );
      return lists.every(({ items }) => items.length === 0);
    });
  });

  test("one claim is one user's: another namespace cannot bind its volume", async () => {
    const run = rig.sh("true", { user: "owner", mounts: [mountOf(rig.volume("owner-default"), "default")] });
    await runtime.start(run);
    const volume = await rig.api.call(
      `/api/v1/persistentvolumes/${rig.names.persistentVolume("owner", "default")}`,
    );
    expect(volume).toMatchObject({
      spec: {
        claimRef: { namespace: rig.names.namespace("owner"), name: "default" },
        persistentVolumeReclaimPolicy: "Retain",
      },
      status: { phase: "Bound" },
    });
    await runtime.remove(run.run);
  });
});

test("the namespace holds Pod Security and closes the network before its first pod", async () => {
  const run = rig.sh("true", { user: "fresh" });
  await runtime.start(run);
  const namespace = rig.names.namespace("fresh");
  const found = await rig.api.call<{
    metadata: { labels: Record<string, string>; creationTimestamp: string };
  }>(`/api/v1/namespaces/${namespace}`);
  expect(found.metadata.labels).toMatchObject({
    "pod-security.kubernetes.io/enforce": "baseline",
    "perigee.user": "fresh",
    "perigee.instance": rig.instance,
  });
  const host = {
    ...bare(namespace),
    spec: { hostNetwork: true, containers: [{ name: "c", image: testCluster().image.reference }] },
  };
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  await expect(rig.api.call(pods, { method: "POST", body: host })).rejects.toThrow(/PodSecurity "baseline/);
  const policies = await rig.api.list<{ metadata: { name: string } }>(
    `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
  );
  expect(policies.items.map(({ metadata }) => metadata.name)).toEqual(["closed"]);
  await runtime.remove(run.run);
});

const bare = (namespace: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "bare", namespace },
});
