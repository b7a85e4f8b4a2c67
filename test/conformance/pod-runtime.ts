import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ImageMissing,
  type LogFrame,
  type PodRuntime,
  type RunSpec,
  StartFailure,
} from "#agent/pods/pod-runtime.ts";
import { mountOf, volumePathOf } from "#test/support/run-mounts.ts";

/** What an adapter brings to its conformance test. */
export type RuntimeFixture = {
  runtime: PodRuntime;
  /** ID of an image with busybox, whose WORKDIR is empty, CMD a shell, and no ENTRYPOINT */
  imageId: string;
  /** a name of that image: starting a run by a name must fail */
  imageName: string;
  /** the node that runs are placed on */
  node: { name: string; kind: RunSpec["kind"] };
  /** does the engine tell stdout from stderr? Else all output comes as stdout */
  streamsApart: boolean;
  /** does anybody count what runs use? */
  counts: boolean;
  /** is a program that is not there a failed start? Else a run that ends with 126 or 127, and names it */
  knowsPrograms?: false;
  /** does anybody tell why a process was killed that took all memory? */
  knowsMemory?: false;
  /** path of a new, empty volume on this machine, writable by every user id */
  volume(): string;
  /** files of volumes, where these are no directories; read when the run has ended */
  files?: {
    read(volume: string, file: string): Promise<string | undefined>;
    write(volume: string, file: string, content: string): Promise<void>;
  };
  /** addresses at which the network reaches a running run */
  addresses(run: string): Promise<string[]>;
  cleanUp(): Promise<void>;
};

const DIRECTORIES: NonNullable<RuntimeFixture["files"]> = {
  read: async (volume, file) =>
    existsSync(path.join(volume, file)) ? readFileSync(path.join(volume, file), "utf8") : undefined,
  write: async (volume, file, content) => writeFileSync(path.join(volume, file), content),
};

/** Every PodRuntime passes this unchanged. */
export function podRuntimeConformance(
  name: string,
  create: () => Promise<RuntimeFixture>,
  setUpMs?: number,
): void {
  describe(`PodRuntime conformance: ${name}`, () => {
    let fixture: RuntimeFixture;
    let runtime: PodRuntime;
    let files: NonNullable<RuntimeFixture["files"]>;
    beforeAll(async () => {
      fixture = await create();
      runtime = fixture.runtime;
      files = fixture.files ?? DIRECTORIES;
    }, setUpMs);
    afterAll(() => fixture?.cleanUp());

    const newMount = () => {
      const volume = fixture.volume();
      return mountOf(volume, `v-${path.basename(volume).toLowerCase()}`);
    };
    const spec = (over: Partial<RunSpec> = {}): RunSpec => {
      return {
        run: ulid(),
        user: "ada",
        pod: "default",
        mounts: over.mounts ?? [newMount()],
        network: "user",
        defaultWorkdir: "/data",
        imageId: fixture.imageId,
        node: fixture.node.name,
        kind: fixture.node.kind,
        ports: [],
        envs: {},
        maxMs: 3600_000,
        graceMs: 30_000,
        ...over,
      };
    };
    const sh = (script: string, over: Partial<RunSpec> = {}) =>
      spec({ command: ["/bin/sh", "-c", script], ...over });
    const frames = async (run: string, follow = true): Promise<LogFrame[]> => {
      const all: LogFrame[] = [];
      for await (const frame of runtime.logs(run, { follow })) all.push(frame);
      return all;
    };
    /** A follow ends when the run has ended: the event to wait for. */
    const finished = async (run: string) => {
      for (;;) {
        await frames(run);
        const state = await runtime.inspect(run);
        if (!state || !("running" in state)) return state;
      }
    };

    test("runs the command in /data with its environment, and tells its output", async () => {
      const run = sh("pwd; echo $GREETING >&2; echo kept > file", { envs: { GREETING: "héllo wörld = x" } });
      await runtime.start(run);
      const state = await finished(run.run);
      expect(state).toMatchObject({ terminated: { exitCode: 0, reason: "Completed" } });
      const said = (await frames(run.run)).map(({ stream, text }) => `${stream} ${text}`);
      const second = fixture.streamsApart ? "stderr" : "stdout";
      expect(said.sort()).toEqual([`${second} héllo wörld = x`, "stdout /data"].sort());
      expect(await files.read(volumePathOf(run), "file")).toBe("kept\n");
    });

    test("times are UTC in whole seconds, in order", async () => {
      const run = sh("exit 7");
      await runtime.start(run);
      const state = await finished(run.run);
      if (!state || !("terminated" in state)) throw new Error("not terminated");
      const { startedAt, finishedAt, reason, exitCode } = state.terminated;
      expect([reason, exitCode]).toEqual(["Error", 7]);
      for (const time of [startedAt, finishedAt]) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(Date.parse(startedAt!)).toBeLessThanOrEqual(Date.parse(finishedAt!));
    });

    test("a command that is not there, or may not be executed, is a StartFailure without host paths", async () => {
      for (const command of [["/nope/at/all"], ["nope"], ["/etc/passwd"]]) {
        const run = spec({ command });
        const failure = await runtime.start(run).catch((error) => error);
        if (fixture.knowsPrograms === false) {
          expect(await finished(run.run)).toMatchObject({
            terminated: { exitCode: expect.toSatisfy((code) => code === 126 || code === 127) },
          });
          const said = (await frames(run.run)).map(({ text }) => `${text}`).join("\n");
          expect(said).toContain(command[0]);
          expect(said).not.toContain(volumePathOf(run));
          continue;
        }
        expect(failure).toBeInstanceOf(StartFailure);
        expect(failure.message).toContain(command[0]);
        expect(failure.message).not.toContain(volumePathOf(run));
        const state = await runtime.inspect(run.run);
        if (state) expect(state).toMatchObject({ terminated: { reason: "StartError", exitCode: 128 } });
      }
    });

    test("args alone replace the image's CMD", async () => {
      const run = spec({ args: ["echo", "from args", "$HOME"] });
      await runtime.start(run);
      await finished(run.run);
      expect((await frames(run.run)).map(({ text }) => `${text}`)).toEqual(["from args $HOME"]);
    });

    test("command and args together go in that order, through no shell", async () => {
      const run = spec({ command: ["/bin/echo", "a b"], args: ["*", "; id"] });
      await runtime.start(run);
      await finished(run.run);
      expect((await frames(run.run)).map(({ text }) => `${text}`)).toEqual(["a b * ; id"]);
    });

    test("more memory than allowed ends as OOMKilled", async () => {
      const killed = fixture.knowsMemory === false ? "Error" : "OOMKilled";
      // an overloaded engine may hear of the end before it hears of its cause, and then never knows the cause
      const reasons: unknown[] = [];
      while (reasons.length < 3 && reasons.at(-1) !== killed) {
        const run = sh("x=a; while :; do x=$x$x; done");
        await runtime.start(run);
        const { terminated } = (await finished(run.run)) as {
          terminated: { reason: string; exitCode: number };
        };
        expect(terminated.exitCode).toBe(137);
        reasons.push(terminated.reason);
      }
      expect(reasons.at(-1)).toBe(killed);
    });

    test("only an image's ID starts it: not its name, nor a piece of the ID", async () => {
      const digits = fixture.imageId.replace("sha256:", "");
      for (const imageId of [fixture.imageName, digits, digits.slice(0, 12), `sha256:${"0".repeat(64)}`]) {
        await expect(runtime.start(spec({ imageId }))).rejects.toBeInstanceOf(ImageMissing);
      }
    });

    test("starting twice starts once, at the same time or after the end", async () => {
      const run = sh("echo started; echo x >> count");
      await Promise.all([runtime.start(run), runtime.start(run)]);
      await finished(run.run);
      await runtime.start(run);
      await finished(run.run);
      expect(await files.read(volumePathOf(run), "count")).toBe("x\n");
    });

    test("stop sends SIGTERM and lets the payload finish", async () => {
      const run = sh("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
      await runtime.start(run);
      for await (const { text } of runtime.logs(run.run, { follow: true })) if (`${text}` === "ready") break;
      await runtime.stop(run.run, 20_000);
      expect(await runtime.inspect(run.run)).toMatchObject({ terminated: { exitCode: 3, reason: "Error" } });
      expect((await frames(run.run)).map(({ text }) => `${text}`)).toEqual(["ready", "bye"]);
    });

    test("stop kills what ignores SIGTERM when the grace is over", async () => {
      const run = sh("trap '' TERM; echo ready; while :; do sleep 0.05; done");
      await runtime.start(run);
      for await (const { text } of runtime.logs(run.run, { follow: true })) if (`${text}` === "ready") break;
      await runtime.stop(run.run, 1_000);
      expect(await runtime.inspect(run.run)).toMatchObject({ terminated: { exitCode: 137 } });
    });

    test("a kill is at once: what would have handled SIGTERM is gone, also in the middle of a stop", async () => {
      const script = "trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done";
      const ready = async (run: RunSpec) => {
        await runtime.start(run);
        for await (const { text } of runtime.logs(run.run, { follow: true }))
          if (`${text}` === "ready") break;
      };
      const killed = sh(script, { graceMs: 1_000 });
      await ready(killed);
      await runtime.stop(killed.run, 0);
      expect(await runtime.inspect(killed.run)).toMatchObject({ terminated: { exitCode: 137 } });
      const both = sh(script, { graceMs: 1_000 });
      await ready(both);
      await Promise.all([runtime.stop(both.run, 600_000), runtime.stop(both.run, 0)]);
      expect(await runtime.inspect(both.run)).toMatchObject({ terminated: { exitCode: 137 } });
    });

    test("a mount is read-only where the run says so, beside one that can be written; WORKDIR / stays", async () => {
      const [inbox, outbox] = [newMount(), newMount()];
      await files.write(inbox.path, "a", "hello");
      const script = "cat /inbox/a > /outbox/b; touch /inbox/c 2>/dev/null || echo refused; pwd; exit 5";
      const mounts = [
        { ...inbox, at: "/inbox", readOnly: true },
        { ...outbox, at: "/outbox" },
      ];
      const run = sh(script, { mounts, network: "none" });
      delete run.defaultWorkdir;
      await runtime.start(run);
      expect(await finished(run.run)).toMatchObject({ terminated: { exitCode: 5 } });
      expect(await files.read(outbox.path, "b")).toBe("hello");
      expect(await files.read(inbox.path, "c")).toBeUndefined();
      expect((await frames(run.run)).map(({ text }) => `${text}`)).toEqual(["refused", "/"]);
    });

    test("without a network a run reaches no other, of its own user neither", async () => {
      const user = "silent";
      const server = sh("while :; do echo here | nc -l -p 8080; done", {
        user,
        pod: "server",
        ports: [8080],
      });
      await runtime.start(server);
      const [address] = await fixture.addresses(server.run);
      const ask = async (network: "user" | "none", script: string) => {
        const run = sh(script, { user, pod: `asks-${network}`, network });
        await runtime.start(run);
        await finished(run.run);
        return (await frames(run.run)).map(({ text }) => `${text}`).at(-1);
      };
      const look = `nc -w 5 ${address} 8080 </dev/null`;
      expect(await ask("user", `until ${look}; do sleep 0.1; done`)).toBe("here");
      expect(await ask("none", `${look} 2>/dev/null || echo nobody`)).toBe("nobody");
      await runtime.remove(server.run);
    });

    test("what a run uses grows while it runs, and is not known afterwards", async () => {
      const run = sh("echo ready; while :; do :; done", { graceMs: 1_000 });
      expect(await runtime.usage(run.run)).toBeUndefined();
      await runtime.start(run);
      if (fixture.counts) {
        const used = async () => (await runtime.usage(run.run))!;
        const first = await used();
        for (let now = first; now.cpuMs <= first.cpuMs; now = await used()) {
          expect(now.memoryBytes).toBeGreaterThan(0);
        }
      }
      await runtime.remove(run.run);
      expect(await runtime.usage(run.run)).toBeUndefined();
    });

    test("what is unknown is no error: stop, remove, logs, inspect", async () => {
      const unknown = ulid();
      await runtime.stop(unknown, 1_000);
      await runtime.remove(unknown);
      expect(await frames(unknown)).toEqual([]);
      expect(await runtime.inspect(unknown)).toBeUndefined();
    });

    test("list tells running and ended runs; a removed one is gone, even while it ran", async () => {
      const live = sh("sleep 1000", { user: "lister", pod: "live" });
      const dead = sh("true", { user: "lister", pod: "dead" });
      await Promise.all([runtime.start(live), runtime.start(dead)]);
      await finished(dead.run);
      const mine = async () => (await runtime.list()).filter(({ user }) => user === "lister");
      expect((await mine()).sort((a, b) => a.pod.localeCompare(b.pod))).toEqual([
        { run: dead.run, user: "lister", pod: "dead", phase: "ended" },
        { run: live.run, user: "lister", pod: "live", phase: "running" },
      ]);
      await Promise.all([runtime.remove(live.run), runtime.remove(live.run), runtime.remove(dead.run)]);
      expect(await mine()).toEqual([]);
      await runtime.tidy("lister");
    });

    test("a hint comes when a run ends", async () => {
      const run = sh("true");
      const hinted = new Promise<void>((resolve) => {
        const end = runtime.watch((hint) => {
          if (hint !== run.run) return;
          end();
          resolve();
        });
      });
      // The watch needs to stand before the run ends: its first hint says so.
      await new Promise<void>((resolve) => {
        const end = runtime.watch(() => {
          end();
          resolve();
        });
      });
      await runtime.start(run);
      await hinted;
    });

    test("long lines come in pieces, empty lines and UTF-8 as they are", async () => {
      const run = sh(
        "head -c 40000 /dev/zero | tr '\\0' x; echo; echo; printf '\\303\\251\\t\\n'; printf end",
      );
      await runtime.start(run);
      await finished(run.run);
      const all = await frames(run.run);
      const lines: Buffer[] = [Buffer.alloc(0)];
      for (const { text, partial } of all) {
        lines.push(Buffer.concat([lines.pop()!, text]));
        if (!partial) lines.push(Buffer.alloc(0));
      }
      const [long, empty, bytes, end] = lines;
      expect(long?.toString()).toBe("x".repeat(40_000));
      expect(empty?.length).toBe(0);
      expect(bytes).toEqual(Buffer.from([0xc3, 0xa9, 0x09]));
      expect(end?.toString()).toBe("end");
      for (const { time } of all) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    });

    test("an aborted follow ends", async () => {
      const run = sh("echo one; sleep 1000");
      await runtime.start(run);
      const abort = new AbortController();
      let seen = 0;
      for await (const _ of runtime.logs(run.run, { follow: true, signal: abort.signal })) {
        seen++;
        abort.abort();
      }
      expect(seen).toBe(1);
      await runtime.remove(run.run);
    });

    test("pods of a user reach each other by pod name, those of another user do not", async () => {
      const server = sh("while :; do echo secret | nc -l -p 8080; done", {
        user: "neta",
        pod: "server",
        ports: [8080],
      });
      await runtime.start(server);
      // Looked up apart: the resolver of a statically linked busybox may crash everywhere but in nslookup.
      const look = "nslookup server 2>/dev/null | sed -n '/^Name/,$s/^Address[^:]*: *//p' | head -n 1";
      const friend = sh(
        `until a=$(${look}); test -n "$a" && nc -w 5 $a 8080 </dev/null; do sleep 0.1; done; echo $a`,
        { user: "neta", pod: "client" },
      );
      await runtime.start(friend);
      await finished(friend.run);
      const heard = (await frames(friend.run)).map(({ text }) => `${text}`);
      expect(heard[0]).toBe("secret");
      const addresses = [...new Set([...(await fixture.addresses(server.run)), heard[1]])];
      const tries = addresses.map((address) => `nc -w 2 ${address} 8080 </dev/null 2>/dev/null`).join("; ");
      const stranger = sh(`echo name $(${look}); ${tries}; echo done`, { user: "netb", pod: "client" });
      await runtime.start(stranger);
      await finished(stranger.run);
      expect((await frames(stranger.run)).map(({ text }) => `${text}`)).toEqual(["name", "done"]);
      await Promise.all([server, friend, stranger].map(({ run }) => runtime.remove(run)));
      await Promise.all([runtime.tidy("neta"), runtime.tidy("netb")]);
    });

    test("nodes are named with kind and status", async () => {
      const nodes = await runtime.nodes();
      expect(nodes).toContainEqual({ name: fixture.node.name, kind: fixture.node.kind, status: "True" });
    });
  });
}
