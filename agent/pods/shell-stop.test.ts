import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PodRig } from "#test/support/pod-rig.ts";
import type { DockerRuntime } from "./docker/runtime.ts";
import { isStoppable, stoppable } from "./shell-stop.ts";

describe("stoppable", () => {
  test.each<[argv: string[], shell: boolean]>([
    [["/bin/sh", "-c", "a > b"], true],
    [["bash", "-euc", "a", "name", "argument"], true],
    [["/bin/sh", "-c", "trap 'rm lock' EXIT; a > b"], true],
    [["/bin/sh", "-c", "trap 'kill $p' TERM; a & p=$!; wait"], false],
    [["/bin/sh", "-c", "trap stop INT 15\na & wait"], false],
    [["/bin/sh", "-c", "trap -- 'a \"b' INT TERM; a & wait"], false],
    [["/bin/sh", "-c", 'trap "echo \\"bye\\"" SIGTERM\na & wait'], false],
    [["/bin/sh", "-c", "trap 'rm lock' EXIT; sleep 15; a > b"], true],
    [["/bin/sh", "-c", "trap 'rm lock' EXIT; export TERM=dumb; a | b"], true],
    [["/bin/sh", "-c", "trap '' INT; timeout -s TERM 9 a > b"], true],
    [["/bin/bash", "-o", "pipefail", "-c", "a | b"], true],
    [["/bin/ash", "-eo", "pipefail", "-c", "a | b"], true],
    [["sh", "-c", "-e", "a > b"], true],
    [["bash", "--noprofile", "--rcfile", "x", "-c", "a > b"], true],
    [["bash", "-ceo", "pipefail", "a | b"], true],
    [["sh", "-c", "--", "a > b"], true],
    [["/bin/bash", "-o", "pipefail", "script", "-c", "x"], false],
    [["/bin/sh", "-c", "-e"], false],
    [["/bin/sh", "script"], false],
    [["/bin/sh", "-c"], false],
    [["python3", "-c", "print()"], false],
    [["/bin/wash", "-c", "x"], false],
    [[], false],
  ])("%j: %s", (argv, shell) => {
    const made = stoppable(argv);
    expect(made !== undefined).toBe(shell);
    expect(isStoppable(made ?? argv)).toBe(shell);
    const at = made?.findIndex((word, n) => word !== argv[n]) ?? 0;
    if (made) expect(made.with(at, argv[at]!)).toEqual(argv);
    if (made) expect(made[at]!.endsWith(` ${argv[at]}`)).toBe(true);
  });
});

/** Says when it is there, and ends by itself when it is told to, with code 7. It takes more than a moment. */
const GRACEFUL = `#!/bin/sh
trap 'sleep 0.3; echo last words; echo stopped >> /data/stopped; exit 7' TERM
echo ready >> /data/ready
while :; do sleep 0.05; done
`;

describe("a stop reaches the program", () => {
  let rig: PodRig;
  let runtime: DockerRuntime;
  beforeAll(async () => {
    rig = await PodRig.create();
    runtime = rig.runtime();
  });
  afterAll(() => rig.cleanUp());

  async function stopped(name: string, over: { command?: string[]; imageId?: string }) {
    const directory = rig.volume(`ada-${name}`);
    writeFileSync(path.join(directory, "program"), GRACEFUL);
    chmodSync(path.join(directory, "program"), 0o755);
    const run = ulid();
    const { command = [], ...rest } = over;
    const mounts = [{ volume: name, path: directory, at: "/data" }];
    await runtime.start(
      rig.spec(command, { run, pod: name, mounts, maxMs: 3600_000, graceMs: 600_000, ...rest }),
    );
    while (!existsSync(path.join(directory, "ready"))) await rig.tick();
    // Far longer than the test may take: who is not reached fails it.
    await runtime.stop(run, 600_000);
    const state = await runtime.inspect(run);
    const read = (file: string) =>
      existsSync(path.join(directory, file)) ? readFileSync(path.join(directory, file), "utf8") : undefined;
    await runtime.remove(run);
    return { exitCode: state && "terminated" in state ? state.terminated.exitCode : undefined, read };
  }

  test.each<[name: string, command: string, exitCode: number | undefined]>([
    ["redirection", "/data/program > /data/out", 7],
    ["list", "/data/program > /data/out; echo next > /data/next", 7],
    ["and", "true && /data/program > /data/out && echo next > /data/next", 7],
    ["or", "/data/program > /data/out || echo next > /data/next", 7],
    ["pipe", "/data/program | tee /data/copy > /data/out", undefined],
    ["pipe-into", "sleep 1000 | /data/program > /data/out", 7],
    ["variable", "/data/program $HOME > /data/out", 7],
    ["group", "{ /data/program; } > /data/out", 7],
    ["subshell", "(cd / && /data/program) > /data/out; echo next > /data/next", undefined],
    ["loop", "while :; do /data/program > /data/out; done", 7],
    ["condition", "if true; then /data/program > /data/out; fi; echo next > /data/next", 7],
    ["background", "/data/program > /data/out & wait", 143],
    ["exec", "exec /data/program > /data/out", 7],
    ["nested", `/bin/sh -c "/data/program > /data/out; exit 5"`, undefined],
    ["heredoc", "/data/program > /data/out <<E\ntext\nE\necho next > /data/next", 7],
    [
      "own-trap",
      "trap 'kill $p; wait $p; echo own > /data/own; exit 3' TERM; /data/program > /data/out & p=$!; wait",
      3,
    ],
  ])("from a shell with a %s", async (name, command, exitCode) => {
    const { read, exitCode: code } = await stopped(name, { command: ["/bin/sh", "-c", command] });
    expect(read("stopped")).toBe("stopped\n");
    expect(read("out")).toBe("last words\n");
    expect(read("next")).toBeUndefined();
    if (exitCode !== undefined) expect(code).toBe(exitCode);
    if (name === "pipe") expect(read("copy")).toBe("last words\n");
    if (name === "own-trap") expect(read("own")).toBe("own\n");
  });

  test("from the shell of an image's own CMD", async () => {
    const config = { Cmd: ["/bin/sh", "-c", "/data/program > /data/out"] };
    const { read, exitCode } = await stopped("image", { imageId: await rig.variant("shell", config) });
    expect([read("stopped"), exitCode]).toEqual(["stopped\n", 7]);
  });

  test("that does nothing about it, at once", async () => {
    const command = ["/bin/sh", "-c", "echo > /data/ready; sleep 1000; echo next > /data/next"];
    const { read, exitCode } = await stopped("deaf", { command });
    expect([read("next"), exitCode]).toEqual([undefined, 143]);
  });
});
