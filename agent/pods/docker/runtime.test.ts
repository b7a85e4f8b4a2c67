import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import os from "node:os";
import Docker from "dockerode";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { podRuntimeConformance } from "#test/conformance/pod-runtime.ts";
import { share } from "#test/support/long-run.ts";
import { PodRig } from "#test/support/pod-rig.ts";
import { mountOf } from "#test/support/run-mounts.ts";
import { type RunSpec, StartFailure } from "../pod-runtime.ts";
import type { DockerRuntime } from "./runtime.ts";

podRuntimeConformance("Docker", async () => {
  const rig = await PodRig.create();
  return {
    runtime: rig.runtime(),
    imageId: rig.images.get("busybox")!,
    imageName: "perigee-test/busybox:latest",
    node: { name: "mpu1", kind: "MPU" },
    counts: true,
    streamsApart: true,
    volume: () => rig.volume(ulid()),
    addresses: (run) => rig.addresses(run),
    cleanUp: () => rig.cleanUp(),
  };
});

describe("DockerRuntime", () => {
  let rig: PodRig;
  let runtime: DockerRuntime;
  beforeAll(async () => {
    rig = await PodRig.create();
    runtime = rig.runtime();
  });
  afterAll(() => rig.cleanUp());

  const sh = (script: string, over: Partial<RunSpec> = {}): RunSpec =>
    rig.spec(["/bin/sh", "-c", script], {
      mounts: [mountOf(rig.volume("ada-default"))],
      defaultWorkdir: "/data",
      maxMs: 3600_000,
      graceMs: 30_000,
      ...over,
    });
  const say = (spec: RunSpec) => rig.say(runtime, spec);

  test("a pod reaches no address of the host, over IPv4 or IPv6", async () => {
    const server = createServer((socket) => socket.end("host\n"));
    await new Promise<void>((resolve) => server.listen(0, "::", resolve));
    const { port } = server.address() as { port: number };
    const pod = sh("sleep 1000", { pod: "anchor" });
    await runtime.start(pod);
    const addresses = Object.values(os.networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal }) => !internal)
      .map(({ address, family }) =>
        family === "IPv6" && address.startsWith("fe80") ? `${address}%eth0` : address,
      );
    expect(addresses.length).toBeGreaterThan(0);
    const gateway = "$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p')";
    const tries = [...addresses, gateway]
      .map((address) => `nc -w 1 ${address} ${port} </dev/null`)
      .join("; ");
    const said = await say(sh(`${tries}; cat /proc/net/if_inet6; echo tried`, { pod: "prober" }));
    expect(said).toContain("tried");
    expect(said).not.toContain("host");
    expect(said.filter((line) => /^[0-9a-f]{32} /.test(line))).toEqual([]);
    server.close();
    await runtime.remove(pod.run);
  });

  test("the embedded DNS knows the user's pods and asks nobody else", async () => {
    const said = await say(
      sh(
        "nslookup me | grep -c 'Name:.*me'; nslookup example.com 2>&1 | grep -ci 'name:.*example.com'; nc -w 2 1.1.1.1 53 2>&1",
        {
          pod: "me",
        },
      ),
    );
    expect(said.slice(0, 2)).toEqual(["1", "0"]);
    const config = JSON.stringify((await inspect(sh("true")))?.HostConfig);
    expect(config).toContain('"Dns":["127.0.0.1"]');
  });

  async function inspect(spec: RunSpec) {
    await say(spec);
    return rig.docker.getContainer(`${rig.instance}-${spec.run.toLowerCase()}`).inspect();
  }

  test("a payload has no added capability, gains no privilege, and its limits hold", async () => {
    const { HostConfig: host } = await inspect(sh("true"));
    expect(host.CapAdd ?? []).toEqual([]);
    expect(host.CapDrop).toContain("NET_RAW");
    expect(host.SecurityOpt).toContain("no-new-privileges");
    expect(host.RestartPolicy?.Name).toBe("no");
    expect([host.Memory, host.MemorySwap]).toEqual([64 * 1024 * 1024, 64 * 1024 * 1024]);
    expect(host.PidsLimit).toBe(512);
    expect(host.OomScoreAdj).toBe(500);
    expect(host.NanoCpus).toBe(1e9);
    const said = await say(
      sh(
        "sed -n 's/^NoNewPrivs:[^0-9]*//p' /proc/self/status; mknod /data/disk b 8 0 2>&1; ip link set lo down 2>&1; echo end",
      ),
    );
    expect(said[0]).toBe("1");
    expect(said.slice(1, -1).join("\n")).toMatch(/mknod.*not permitted[\s\S]*(not permitted|denied)/i);
  });

  test("what a run writes beside its volume is told: its own layer, and volumes that its image declares", async () => {
    const image = await rig.variant("volumes", { Volumes: { "/scratch": {} } });
    const megabyte = "dd if=/dev/zero bs=1024 count=1024 2>/dev/null";
    const script = `${megabyte} of=/layer; ${megabyte} of=/scratch/file; ${megabyte} of=/data/file; echo done; sleep 1000`;
    const spec = sh(script, {
      user: "writer",
      imageId: image,
      mounts: [mountOf(rig.volume("writer-default"))],
    });
    await runtime.start(spec);
    for await (const { text } of runtime.logs(spec.run, { follow: true })) if (`${text}` === "done") break;
    const { bytes, directories } = await runtime.written("writer");
    expect(bytes).toBeGreaterThanOrEqual(1024 * 1024);
    expect(bytes).toBeLessThan(2 * 1024 * 1024);
    expect(directories.map((directory) => readdirSync(directory))).toEqual([["file"]]);
    await runtime.remove(spec.run);
    expect(await runtime.written("writer")).toEqual({ bytes: 0, directories: [] });
  });

  test("a payload that is not root reads what was uplinked and writes /data", async () => {
    const image = await rig.variant("nobody", { User: "65534" });
    const said = await say(
      sh("id -u; echo mine > /data/by-nobody && cat /data/by-nobody", { imageId: image }),
    );
    expect(said).toEqual(["65534", "mine"]);
  });

  test("an image's own WORKDIR, STOPSIGNAL and HEALTHCHECK: the first holds, the others do not", async () => {
    const imageId = await rig.variant("extras", {
      WorkingDir: "/tmp",
      StopSignal: "SIGUSR1",
      Healthcheck: { Test: ["CMD", "true"], Interval: 1e9 },
    });
    const spec = sh("pwd", { imageId });
    const config = (await inspect(spec)).Config as { StopSignal?: string; Healthcheck?: { Test?: string[] } };
    expect(config.StopSignal).toBe("SIGTERM");
    expect(config.Healthcheck?.Test).toEqual(["NONE"]);
    const lines: string[] = [];
    for await (const { text } of runtime.logs(spec.run, { follow: false })) lines.push(`${text}`);
    expect(lines).toEqual(["/tmp"]);
  });

  test("an image with a VOLUME in the place of the engine's devices cannot start", async () => {
    const imageId = await rig.variant("devices", { Volumes: { "/dev": {} } });
    const spec = sh("true", { imageId });
    await expect(runtime.start(spec)).rejects.toBeInstanceOf(StartFailure);
    expect(await runtime.inspect(spec.run)).toEqual({ waiting: { reason: "ContainerCreating" } });
    await runtime.remove(spec.run);
  });

  test("many first runs of a user at once make one network, the last tidy removes it", async () => {
    const specs = Array.from({ length: share(20, 8) }, (_, n) =>
      sh("sleep 1000", { user: "crowd", pod: `pod-${n}` }),
    );
    await Promise.all(specs.map((spec) => runtime.start(spec)));
    const networks = () =>
      rig.docker.listNetworks({
        filters: { label: ["perigee.user=crowd", `perigee.instance=${rig.instance}`] },
      });
    expect(await networks()).toHaveLength(1);
    await runtime.tidy("crowd");
    expect(await networks()).toHaveLength(1);
    await Promise.all(specs.map(({ run }) => runtime.remove(run)));
    await Promise.all([runtime.tidy("crowd"), runtime.tidy("crowd")]);
    expect(await networks()).toEqual([]);
  });

  test("a network that somebody removed is made again", async () => {
    const first = sh("true", { user: "victim" });
    await say(first);
    await runtime.remove(first.run);
    const filters = { label: ["perigee.user=victim", `perigee.instance=${rig.instance}`] };
    for (const { Id } of await rig.docker.listNetworks({ filters })) await rig.docker.getNetwork(Id).remove();
    expect(await say(sh("echo again", { user: "victim" }))).toEqual(["again"]);
  });

  test("two agents on one engine, of the same prefix and user, do not meet", async () => {
    const second = rig.runtime({ instance: `${rig.instance}-second` });
    const there = sh("sleep 1000", { user: "shared", pod: "there" });
    await second.start(there);
    expect(await say(sh("nslookup there | grep -c 'Name:.*there'", { user: "shared" }))).toEqual(["0"]);
    await second.remove(there.run);
    await second.tidy("shared");
  });

  test("another instance's containers are neither listed nor shown", async () => {
    const run = sh("true");
    await say(run);
    const other = rig.runtime({ instance: `${rig.instance}-other` });
    expect(await other.list()).toEqual([]);
    expect(await other.inspect(run.run)).toBeUndefined();
  });

  test("an engine that does not answer lacks nothing that can be told: the question fails", async () => {
    expect(await runtime.missing()).toBeUndefined();
    const away = rig.runtime({ docker: new Docker({ socketPath: "/nonexistent/docker.sock" }) });
    await expect(away.missing()).rejects.toThrow("ENOENT");
    expect(new Set((await away.nodes()).map(({ status }) => status))).toEqual(new Set(["False"]));
  });

  test("a volume that does not exist is not made, and its path is not told", async () => {
    const spec = sh("true", { mounts: [mountOf("/nonexistent/secret-place")] });
    await expect(runtime.start(spec)).rejects.toThrow("the volume does not exist");
  });
});
