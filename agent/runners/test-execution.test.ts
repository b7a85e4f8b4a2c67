import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findProgram } from "../../scripts/debian-packages.ts";
import { becoming } from "../sessions/kubernetes/becoming.ts";
import { type Execution, type PodSessions, SessionFailure } from "../sessions/pod-sessions.ts";
import { testExecution, Unfit } from "./test-execution.ts";

const NEEDED = "cat chmod chown env head ls mkdir rm sleep stat find xargs tar".split(" ");

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "perigee-tools-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A container with no programs but these, which works in their directory. */
async function containerOf(programs: readonly string[], at?: string): Promise<PodSessions> {
  const path = at ?? (await directory());
  for (const name of programs) await symlink(findProgram(name)!, join(path, name));
  const exec: PodSessions["exec"] = async (_run, { argv: [program = "", ...args] }) => {
    const child = spawn(program, args, { cwd: path, env: { PATH: path } });
    const closed = once(child, "close");
    const execution: Partial<Execution> = {
      endInput: async () => void child.stdin.end(),
      output: (async function* () {
        for await (const data of child.stdout) yield { stream: "stdout" as const, data };
      })(),
      exit: closed.then(([code]) => code as number),
    };
    return execution as Execution;
  };
  return { exec } as PodSessions;
}

const tried = async (programs: readonly string[]) =>
  testExecution(await containerOf(programs), "r", AbortSignal.timeout(60_000));

test("an image with all that sessions need serves", async () => {
  await tried(NEEDED);
});

test("another working directory than /workspace keeps the image's mode", async () => {
  const path = await directory();
  await chmod(path, 0o750);
  await testExecution(await containerOf(NEEDED, path), "r", AbortSignal.timeout(60_000));
  expect(((await stat(path)).mode & 0o7777).toString(8)).toBe("750");
});

test("what an image lacks is named", async () => {
  const lacking = NEEDED.filter((name) => name !== "xargs" && name !== "env");
  await expect(tried(lacking)).rejects.toMatchObject({ name: "Unfit", message: "the image lacks env xargs" });
});

/** A cluster's container of root, whose image has these programs for becoming a user; `user` is one of its own, or not. */
async function clusterContainer(becomers: readonly string[], { hasUser = true } = {}): Promise<PodSessions> {
  const path = await directory();
  const program = async (name: string, text: string) => {
    await writeFile(join(path, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(path, name), 0o755);
  };
  await program("id", `case "$*" in ("-u") echo 0;; (*) ${hasUser ? "echo 1234" : "exit 1"};; esac`);
  for (const name of becomers) await program(name, 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
  const { exec } = await containerOf(NEEDED, path);
  return {
    exec: async (run, spec, options) => {
      const execution = await exec(run, { ...spec, argv: becoming(spec.as, spec.argv) }, options);
      // as what starts programs says it
      const said = spec.as === "user" && (await execution.exit) === 126;
      if (said) throw new SessionFailure("CANNOT_START", "the image cannot become the user");
      return execution;
    },
  } as PodSessions;
}

test("on a cluster an image that cannot become its user is unfit, whatever root can do", async () => {
  const tried = async (...container: Parameters<typeof clusterContainer>) =>
    testExecution(await clusterContainer(...container), "r", AbortSignal.timeout(60_000));
  await tried(["setpriv"]);
  await tried(["runuser"]);
  await tried(["setpriv"], { hasUser: false });
  const message = "nothing can be executed in it: the image cannot become the user";
  await expect(tried([])).rejects.toMatchObject({ name: "Unfit", message });
  await expect(tried(["runuser"], { hasUser: false })).rejects.toMatchObject({ name: "Unfit", message });
});

test("an image whose tools never end is unfit, and the execution is let go of", async () => {
  const cut = Promise.withResolvers<void>();
  const sessions = {
    exec: async () => ({
      endInput: async () => {},
      cut: () => cut.resolve(),
      output: (async function* () {
        await cut.promise;
        yield* [];
      })(),
      exit: cut.promise.then(() => {
        throw new Error("let go of");
      }),
    }),
  } as unknown as PodSessions;
  const tested = testExecution(sessions, "1-x", AbortSignal.timeout(10));
  await expect(tested).rejects.toThrow(Unfit);
  await cut.promise;
});
