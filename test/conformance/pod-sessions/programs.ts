import { describe, expect, test } from "vitest";
import { SessionFailure } from "#agent/sessions/pod-sessions.ts";
import { MiB } from "#protocol/limits.ts";
import {
  failure,
  NAMES,
  options,
  type SessionsRig,
  said,
  signal,
  specOf,
  untilSaid,
} from "./sessions-rig.ts";

const APART = { terminal: { stderr: "apart" } } as const;
const MERGED = { terminal: { stderr: "merged" } } as const;

/** A program in a run that goes on: its streams, user, rights, signals and end. */
export function testPrograms(rig: SessionsRig): void {
  const { bash, start } = rig;

  describe("a program", () => {
    test("without a terminal: streams apart, end of input, exit code", async () => {
      expect(await bash("cat; echo no >&2; exit 3", {}, "a\0b\n")).toEqual({
        stdout: "a\0b\n",
        stderr: "no\n",
        code: 3,
      });
    });

    test("on a terminal: echo, stdout through it, stderr apart from it, lines end as a terminal's do", async () => {
      const execution = await start(
        ["/bin/bash", "-c", "test -t 0 && test -t 1 && head -n 1; echo no >&2"],
        APART,
      );
      await execution.write(Buffer.from("Hello World!\n"));
      const { stdout, stderr, code } = await said(execution);
      expect([stdout, stderr, code]).toEqual(["Hello World!\r\nHello World!\r\n", "no\r\n", 0]);
    });

    test("on a terminal with all merged", async () => {
      const { stdout, stderr } = await bash("test -t 2 && echo out; echo err >&2", MERGED);
      expect([stdout, stderr]).toEqual(["out\r\nerr\r\n", ""]);
    });

    test("`true` says nothing", async () => {
      for (const over of [{}, APART, MERGED]) {
        expect(await bash("true", over)).toEqual({ stdout: "", stderr: "", code: 0 });
      }
    });

    test("a signal is 128 + n", async () => {
      for (const over of [{}, APART]) {
        expect((await bash("kill -KILL $$", over)).code).toBe(137);
        expect((await bash("kill -TERM $$", over)).code).toBe(143);
      }
    });

    test("gets every word as it is", async () => {
      const words = [...NAMES, "", "*", "a'b\"c", "\\n", "~", "{a,b}", "#", "--", "x".repeat(100_000)];
      for (const over of [{}, APART]) {
        const execution = await start(["/bin/bash", "-c", 'printf "%s\\0" "$@"', "bash", ...words], over);
        const { stdout } = await said(execution);
        expect(stdout.replaceAll("\r\n", "\n").split("\0").slice(0, -1)).toEqual(words);
      }
    });

    test("gets the variables of the image, its user's, then the request's, and no others of ours", async () => {
      const env = {
        GREETING: "h\u00e9llo w\u00f6rld = $x `y` 'z' \"q\"\n2",
        "odd-name.1": "1",
        "-i": "2",
        HOME: "/tmp",
      };
      const { stdout } = await bash("cat /proc/self/environ", { env });
      const seen = Object.fromEntries(
        stdout
          .split("\0")
          .slice(0, -1)
          .map((pair) => {
            const at = pair.indexOf("=");
            return [pair.slice(0, at), pair.slice(at + 1)];
          }),
      );
      expect(seen).toMatchObject({ ...env, USER: "user", LOGNAME: "user" });
      expect(seen.PATH).toContain("/usr/bin");
      expect(Object.keys(seen).filter((key) => /^(AWS|NOMAD_|PERIGEE_|KUBERNETES_)/.test(key))).toEqual([]);
    });

    test("is of the user it is to be", async () => {
      const who = 'echo "$(id -un):$(id -gn):$(id -G) $HOME $USER $LOGNAME"';
      expect((await bash(who)).stdout).toBe("user:user:1000 /workspace user user\n");
      expect((await bash(who, { as: "root" })).stdout).toBe("root:root:0 /root root root\n");
      expect((await bash("id -u", { as: "own" })).stdout).toBe("0\n");
    });

    test("has no more rights than the container's first process", async () => {
      const rights = "grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc";
      for (const as of ["own", "root", "user"] as const) {
        const first = await bash(`${rights}/1/status`, { as });
        expect((await bash(`${rights}/self/status`, { as })).stdout).toBe(first.stdout);
      }
      expect((await bash("grep CapEff /proc/self/status")).stdout).toMatch(/CapEff:\t0+\n/);
    });

    test("may open its streams by their names", async () => {
      const { stdout, stderr } = await bash("echo out > /dev/stdout; echo err > /dev/stderr", APART);
      expect([stdout, stderr]).toEqual(["out\r\n", "err\r\n"]);
    });

    test("works where it is to", async () => {
      expect((await bash("pwd")).stdout).toBe("/workspace\n");
      expect((await bash("pwd", { cwd: "/tmp" })).stdout).toBe("/tmp\n");
      await bash("mkdir -p -- '-' 'a b'");
      expect((await bash("pwd", { cwd: "-" })).stdout).toBe("/workspace/-\n");
      expect((await bash("pwd", { cwd: "a b" })).stdout).toBe("/workspace/a b\n");
    });

    test("that cannot be started says why", async () => {
      await bash("echo x > /workspace/data");
      for (const over of [{}, APART]) {
        for (const argv of [["nope"], ["/nope/at/all"], ["/workspace/data"], ["/workspace"]]) {
          const { code, message } = await failure(start(argv, over));
          expect(code).toBe("CANNOT_START");
          expect(message).toContain(argv[0]);
        }
      }
      expect(await failure(start(["true"], { cwd: "/nope" }))).toMatchObject({ code: "CANNOT_START" });
      for (const bad of [
        specOf(["a\0b"]),
        specOf(["true"], { env: { "a=b": "" } }),
        specOf(["true"], { env: { a: "\0" } }),
        specOf([]),
      ]) {
        expect(await failure(rig.sessions.exec(rig.run, bad, { signal }))).toMatchObject({
          code: "CANNOT_START",
        });
      }
    });

    test("is found by the request's PATH, also where its name has an equals sign", async () => {
      await bash(
        "mkdir -p /tmp/own && printf '#!/bin/bash\\necho mine\\n' > '/tmp/own/a=b' && chmod +x '/tmp/own/a=b'",
      );
      const { stdout } = await said(await start(["a=b"], { env: { PATH: "/tmp/own:/usr/bin" } }));
      expect(stdout).toBe("mine\n");
    });

    test("no variable of the request is met by a helper", async () => {
      await bash("echo 'echo met >> /tmp/met' > /tmp/hook");
      const env = {
        BASH_ENV: "/tmp/hook",
        ENV: "/tmp/hook",
        LD_PRELOAD: "/tmp/none.so",
        PATH: "/nowhere",
        IFS: "x",
        PS4: "$(echo met >> /tmp/met)",
        SHELLOPTS: "xtrace",
      };
      for (const as of ["root", "user"] as const) {
        const execution = await start(["/usr/bin/true"], { as, env, ...APART });
        const { code, stderr } = await said(execution);
        expect(code).toBe(0);
        // of the program's own loader, once
        expect(stderr.match(/LD_PRELOAD/g)).toHaveLength(1);
      }
      expect((await bash("cat /tmp/met")).code).toBe(1);
    });

    test("signals: to the terminal's group, and to a program without a terminal", async () => {
      const terminal = await start(
        ["/bin/bash", "-c", "trap 'echo hung; exit 9' HUP; echo up; while :; do sleep 0.1; done"],
        APART,
      );
      expect(await untilSaid(terminal, "up")).toContain("up");
      await terminal.signal("SIGHUP");
      expect(await said(terminal)).toMatchObject({ code: 9 });
      const plain = await start(["/bin/bash", "-c", "echo up; sleep 1000"]);
      await untilSaid(plain, "up");
      await plain.signal("SIGTERM");
      expect(await said(plain)).toMatchObject({ code: 143 });
      const killed = await start(
        ["/bin/bash", "-c", "trap '' HUP INT QUIT TERM; echo up; while :; do sleep 0.1; done"],
        APART,
      );
      await untilSaid(killed, "up");
      await killed.signal("SIGKILL");
      expect(await said(killed)).toMatchObject({ code: 137 });
      await killed.signal("SIGKILL");
    });

    test("0x1C and 0x03 through the terminal end what runs there, and 0x04 its input", async () => {
      for (const [byte, code] of [
        [0x1c, 131],
        [0x03, 130],
      ] as const) {
        const execution = await start(["/bin/cat"], APART);
        await execution.write(Buffer.from("up\n"));
        // by the terminal, then by the program: bash would ignore 0x1C until it has become another one
        await untilSaid(execution, "up\r\nup");
        await execution.write(Buffer.from([byte]));
        expect(await said(execution)).toMatchObject({ code });
      }
      const cat = await start(["/bin/cat"], APART);
      await cat.write(Buffer.from([4]));
      expect(await said(cat)).toMatchObject({ code: 0 });
    });

    test("a terminal has the size it was given, and another later", async () => {
      const size = { rows: 33, columns: 99 };
      // a cluster takes sizes and input by ways of their own: the input may be there first
      const later = "until [ \"$(stty size)\" != '33 99' ]; do sleep 0.02; done; stty size";
      const execution = await start(["/bin/bash", "-c", `stty size; read x; ${later}`], {
        terminal: { stderr: "apart", size },
      });
      expect(await untilSaid(execution, "\n")).toBe("33 99\r\n");
      await execution.resize({ rows: 12, columns: 34 });
      await execution.write(Buffer.from("\n"));
      expect((await said(execution)).stdout).toContain("12 34\r\n");
    });

    test("a child that keeps the streams open is not waited for", async () => {
      for (const over of [{}, APART, MERGED]) {
        const said = await bash("trap '' HUP; sleep 1000 & echo out; echo err >&2", over);
        expect(said).toMatchObject({ code: 0 });
        expect(said.stdout + said.stderr).toMatch(/out[\s\S]*err/);
      }
      await bash("kill $(grep -lsz sleep /proc/[0-9]*/cmdline | cut -d/ -f3)", { as: "root" });
    });

    test("all output comes before the exit, whatever its size", async () => {
      for (const over of [{}, APART]) {
        const execution = await start(
          ["/bin/bash", "-c", "head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; exit 7"],
          over,
        );
        const sizes = { stdout: 0, stderr: 0 };
        for await (const { stream, data } of execution.output) sizes[stream] += data.length;
        expect({ ...sizes, code: await execution.exit }).toEqual({
          stdout: 3_000_000,
          stderr: 2_000_000,
          code: 7,
        });
      }
    });

    test("is held back by a reader that stops", async () => {
      const execution = await start([
        "/bin/bash",
        "-c",
        "head -c 200000000 /dev/zero & wait; echo end > /workspace/over",
      ]);
      const output = execution.output[Symbol.asyncIterator]();
      await output.next();
      const before = process.memoryUsage().rss;
      for (let turn = 0; turn < 5; turn++) await bash("sleep 0.1");
      expect(process.memoryUsage().rss - before).toBeLessThan(64 * MiB);
      expect((await bash("test -e /workspace/over")).code).toBe(1);
      await execution.signal("SIGKILL");
      execution.cut();
      await expect(execution.exit).rejects.toBeInstanceOf(SessionFailure);
    });

    test("floods of both streams arrive in order within a stream", async () => {
      const execution = await start(["/bin/bash", "-c", "seq 1 50000 & seq 1 50000 >&2; wait"]);
      const { stdout, stderr } = await said(execution);
      const wanted = Array.from({ length: 50_000 }, (_, at) => `${at + 1}\n`).join("");
      expect(stdout === wanted && stderr === wanted).toBe(true);
    });

    test("16 at once, each with a terminal of its own", async () => {
      const script = 'tty; read line; echo "got $line"; echo "err $line" >&2';
      const all = await Promise.all(
        Array.from({ length: 16 }, async () => {
          const execution = await start(["/bin/bash", "-c", script], APART);
          return { execution, tty: await untilSaid(execution, "\n") };
        }),
      );
      expect(new Set(all.map(({ tty }) => tty)).size).toBe(16);
      for (const [at, { execution }] of all.entries()) await execution.write(Buffer.from(`${at}\n`));
      for (const [at, { execution }] of all.entries()) {
        const { stdout, stderr } = await said(execution);
        expect(stdout).toContain(`got ${at}\r\n`);
        expect(stderr).toBe(`err ${at}\r\n`);
      }
    });

    test("what a program does to the helpers of its own user hurts nobody but its runner", async () => {
      const execution = await start(["/bin/bash", "-c", "echo up; kill -9 -1; echo still"], APART);
      await said(execution).catch(() => undefined);
      expect((await bash("echo fine")).stdout).toBe("fine\n");
      const liar = await start([
        "/bin/bash",
        "-c",
        "for fd in /proc/[0-9]*/fd/[129]; do echo 'exit 5' > $fd; head -c 300000 /dev/zero > $fd; done 2>/dev/null; exit 0",
      ]);
      await said(liar);
      // what it wrote may have been taken for the word of the helper that waits for the runner's next program
      await bash("echo fine").catch(() => undefined);
      expect((await bash("echo fine")).stdout).toBe("fine\n");
    });

    test("leaves no process behind", async () => {
      await rig.sessions.prepare(rig.run, "user");
      const count = "set -- /proc/[0-9]*; echo $#";
      const before = (await bash(count)).stdout;
      for (let time = 0; time < 4; time++) await bash("true", APART);
      const settled = async (): Promise<string> => {
        for (let turn = 0; turn < 50; turn++) {
          const { stdout } = await bash(`sleep 0.1; ${count}`);
          if (Number(stdout) <= Number(before) + 1) return "settled";
        }
        return (await bash("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).stdout;
      };
      expect(await settled()).toBe("settled");
    });

    test("of a container that is killed is GONE, and so is everything there afterwards", async () => {
      const other = await rig.fixture.start();
      const execution = await rig.sessions.exec(
        other,
        specOf(["/bin/bash", "-c", "echo up; sleep 1000"], APART),
        { signal },
      );
      await untilSaid(execution, "up");
      await rig.fixture.kill(other);
      for await (const _ of execution.output);
      expect(await failure(execution.exit)).toMatchObject({ code: "GONE" });
      expect(await failure(rig.sessions.exec(other, specOf(["true"]), { signal }))).toMatchObject({
        code: "GONE",
      });
      expect(
        await failure(rig.sessions.read(other, { path: "/etc/passwd", as: "user" }, options)),
      ).toMatchObject({ code: "GONE" });
      for (const unknown of ["01JABCDEFGHJKMNPQRSTVWXYZ0", "0-unknown", "../x"]) {
        expect(await failure(rig.sessions.exec(unknown, specOf(["true"]), { signal }))).toMatchObject({
          code: "GONE",
        });
      }
    });

    test("whose start is given up throws the reason", async () => {
      await expect(
        rig.sessions.exec(rig.run, specOf(["true"]), { signal: AbortSignal.abort(new Error("given up")) }),
      ).rejects.toThrow("given up");
    });
  });
}
