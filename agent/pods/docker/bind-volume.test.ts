import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MiB } from "#protocol/limits.ts";
import { PodRig } from "#test/support/pod-rig.ts";
import type { RunMount, RunSpec } from "../pod-runtime.ts";
import type { DockerRuntime } from "./runtime.ts";

const LOOP = "while :; do sleep 0.2; done";

describe("the mounts of a run", () => {
  let rig: PodRig;
  let runtime: DockerRuntime;
  beforeAll(async () => {
    rig = await PodRig.create();
    runtime = rig.runtime();
  });
  afterAll(() => rig.cleanUp());

  const volume = (name: string) => rig.volume(`ada-${name}`);
  const mount = (name: string, at: string, over: Partial<RunMount> = {}): RunMount => ({
    volume: name,
    path: volume(name),
    at,
    ...over,
  });

  const sh = (script: string, over: Partial<RunSpec> = {}): RunSpec =>
    rig.spec(["/bin/sh", "-c", script], { pod: `p-${ulid().toLowerCase()}`, ...over });
  const say = (spec: RunSpec) => rig.say(runtime, spec);

  test("are several volumes and parts of one, some to be read only; nothing else is there", async () => {
    writeFileSync(path.join(volume("in"), "a"), "from in\n");
    mkdirSync(path.join(volume("work"), "deep/er"), { recursive: true });
    writeFileSync(path.join(volume("work"), "deep/er/b"), "from work\n");
    const mounts = [
      mount("in", "/in", { readOnly: true }),
      mount("work", "/w/b", { subPath: "deep/er" }),
      mount("work", "/w/new", { subPath: "made/here" }),
    ];
    const script =
      "cat /in/a /w/b/b; echo x > /in/x || echo refused; echo out > /w/b/out; echo new > /w/new/file; ls /data; pwd";
    const said = await say(sh(script, { mounts }));
    expect(said.filter((line) => !line.includes("Read-only") && !line.includes("No such file"))).toEqual([
      "from in",
      "from work",
      "refused",
      "/",
    ]);
    expect(readdirSync(volume("in"))).toEqual(["a"]);
    expect(readFileSync(path.join(volume("work"), "deep/er/out"), "utf8")).toBe("out\n");
    expect(readFileSync(path.join(volume("work"), "made/here/file"), "utf8")).toBe("new\n");
  });

  test("may be none, and the working directory is the one that the run names", async () => {
    expect(await say(sh("pwd", { defaultWorkdir: "/tmp/work" }))).toEqual(["/tmp/work"]);
  });

  test("never follow a link out of a volume", async () => {
    const outside = path.join(rig.directory, "outside");
    mkdirSync(outside);
    mkdirSync(path.join(volume("links"), "a"));
    symlinkSync(outside, path.join(volume("links"), "link"));
    symlinkSync(path.join(outside, "new"), path.join(volume("links"), "a/last"));
    writeFileSync(path.join(volume("links"), "file"), "");
    for (const subPath of ["link", "link/x", "a/last", "file/x"]) {
      const run = sh("echo escaped > /m/file", { mounts: [mount("links", "/m", { subPath })] });
      await expect(runtime.start(run), subPath).rejects.toThrow(
        "the mount /m is no file or directory in the volume",
      );
    }
    expect(readdirSync(outside)).toEqual([]);
  });

  test("are refused while another pod could put a link on their way, and only then", async () => {
    const part = (subPath: string, over: Partial<RunMount> = {}) =>
      mount("shared", "/m", { subPath, ...over });
    const start = async (over: Partial<RunMount>) => {
      const run = sh(LOOP, { mounts: [mount("shared", "/data", over)] });
      await runtime.start(run);
      return run.run;
    };
    // Beside it, within it, or without the right to write: no harm.
    const harmless = [
      await start({ subPath: "a/b/c" }),
      await start({ subPath: "x" }),
      await start({ subPath: "a/b" }),
    ];
    harmless.push(await start({ readOnly: true }));
    expect(await say(sh("echo started", { mounts: [part("a/b")] }))).toEqual(["started"]);

    for (const over of [{}, { subPath: "a" }]) {
      await Promise.all(harmless.map((run) => runtime.remove(run)));
      const above = await start(over);
      await expect(runtime.start(sh("true", { mounts: [part("a/b")] }))).rejects.toThrow(
        "another pod runs on the volume",
      );
      // Whole volumes are shared as ever.
      expect(await say(sh("echo whole", { mounts: [mount("shared", "/w")] }))).toEqual(["whole"]);
      await runtime.remove(above);
    }
    expect(await say(sh("echo again", { mounts: [part("a/b")] }))).toEqual(["again"]);
  });

  test("with limits of its own a run has less than every pod may have, never more", async () => {
    const limits = { memoryBytes: 32 * MiB, cpus: 0.5, pids: 20 };
    const run = sh(LOOP, { limits });
    const greedy = sh(LOOP, { limits: { memoryBytes: 1024 * 1024 * MiB, cpus: 64, pids: 100_000 } });
    const plain = sh(LOOP);
    for (const each of [run, greedy, plain]) await runtime.start(each);
    const of = async ({ run: id }: RunSpec) => {
      const container = rig.docker.getContainer(`${rig.instance}-${id.toLowerCase()}`);
      const { Memory, NanoCpus, PidsLimit } = (await container.inspect()).HostConfig;
      return { memoryBytes: Memory, cpus: (NanoCpus ?? 0) / 1e9, pids: PidsLimit };
    };
    expect(await of(run)).toEqual(limits);
    expect(await of(greedy)).toEqual(await of(plain));
    for (const each of [run, greedy, plain]) await runtime.remove(each.run);
  });

  test("without a network a run reaches nobody, not even the user's other pods", async () => {
    const server = sh("while :; do echo here | nc -l -p 8080; done", { pod: "server" });
    await runtime.start(server);
    const [address] = await rig.addresses(server.run);
    const probe = `nc -w 1 ${address} 8080 </dev/null`;
    // The server listens anew for each.
    expect(await say(sh(`until ${probe}; do sleep 0.1; done`))).toContain("here");
    const said = await say(sh(`${probe} 2>&1 || echo none; ls /sys/class/net`, { network: "none" }));
    expect(said).not.toContain("here");
    expect(said.slice(-2)).toEqual(["none", "lo"]);
  });
});
