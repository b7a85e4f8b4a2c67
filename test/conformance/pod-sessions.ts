import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ExecSpec,
  type Execution,
  type PodSessions,
  SessionFailure,
} from "#agent/sessions/pod-sessions.ts";
import { MiB } from "#protocol/limits.ts";
import type { ActingUser, FileEntry } from "#protocol/live.ts";
import { type TarFile, tarOf } from "#test/support/tar-of.ts";

/** What an adapter brings to its conformance test. */
export type SessionsFixture = {
  sessions: PodSessions;
  /** Starts a run of the runners' test image, which sleeps; its working directory is `/workspace`. */
  start(): Promise<string>;
  /** Kills its container at once. */
  kill(run: string): Promise<void>;
  cleanUp(): Promise<void>;
};

const signal = new AbortController().signal;
const options = { signal, defaultWorkdir: "/workspace" };
const NAMES = [
  "plain",
  "with blank",
  "new\nline",
  'quo"te',
  "it's",
  "a -> b",
  "back\\slash",
  "\u00e4\u20ac\u{1f600}",
  "-rf",
  "$(id)",
  "`id`",
  "tab\there",
  "x;y",
  "a=b",
  "\x01\x7f",
];

type Said = { stdout: string; stderr: string; code: number };

/** Every PodSessions passes this unchanged. */
export function podSessionsConformance(name: string, create: () => Promise<SessionsFixture>): void {
  describe(`PodSessions conformance: ${name}`, () => {
    let fixture: SessionsFixture;
    let sessions: PodSessions;
    let run: string;
    beforeAll(async () => {
      fixture = await create();
      sessions = fixture.sessions;
      run = await fixture.start();
      await bash("mkdir -p /workspace && chmod 1777 /workspace", { as: "root", defaultWorkdir: "" });
    });
    afterAll(() => fixture?.cleanUp());

    const specOf = (argv: string[], over: Partial<ExecSpec> = {}): ExecSpec => ({
      argv,
      as: "user",
      env: {},
      defaultWorkdir: "/workspace",
      ...over,
    });
    const start = (argv: string[], over: Partial<ExecSpec> = {}) =>
      sessions.exec(run, specOf(argv, over), { signal });
    const bash = async (command: string, over: Partial<ExecSpec> = {}, input?: string): Promise<Said> => {
      const execution = await start(["/bin/bash", "-c", command], over);
      if (input !== undefined) await execution.write(Buffer.from(input));
      if (!over.terminal) await execution.endInput();
      return said(execution);
    };
    const failure = async (promise: Promise<unknown>): Promise<SessionFailure> => {
      const error = await promise.then(
        () => undefined,
        (thrown) => thrown,
      );
      expect(error).toBeInstanceOf(SessionFailure);
      return error;
    };
    const APART = { terminal: { stderr: "apart" } } as const;
    const MERGED = { terminal: { stderr: "merged" } } as const;

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
          expect(await failure(sessions.exec(run, bad, { signal }))).toMatchObject({ code: "CANNOT_START" });
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
          const execution = await start(["/bin/bash", "-c", "echo up; exec sleep 1000"], APART);
          await untilSaid(execution, "up");
          await execution.write(Buffer.from([byte]));
          expect(await said(execution)).toMatchObject({ code });
        }
        const cat = await start(["/bin/cat"], APART);
        await cat.write(Buffer.from([4]));
        expect(await said(cat)).toMatchObject({ code: 0 });
      });

      test("a terminal has the size it was given, and another later", async () => {
        const size = { rows: 33, columns: 99 };
        const execution = await start(["/bin/bash", "-c", "stty size; read x; stty size"], {
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
        await sessions.prepare(run, "user");
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
        const other = await fixture.start();
        const execution = await sessions.exec(
          other,
          specOf(["/bin/bash", "-c", "echo up; sleep 1000"], APART),
          { signal },
        );
        await untilSaid(execution, "up");
        await fixture.kill(other);
        for await (const _ of execution.output);
        expect(await failure(execution.exit)).toMatchObject({ code: "GONE" });
        expect(await failure(sessions.exec(other, specOf(["true"]), { signal }))).toMatchObject({
          code: "GONE",
        });
        expect(
          await failure(sessions.read(other, { path: "/etc/passwd", as: "user" }, options)),
        ).toMatchObject({ code: "GONE" });
        for (const unknown of ["01JABCDEFGHJKMNPQRSTVWXYZ0", "0-unknown", "../x"]) {
          expect(await failure(sessions.exec(unknown, specOf(["true"]), { signal }))).toMatchObject({
            code: "GONE",
          });
        }
      });

      test("whose start is given up throws the reason", async () => {
        await expect(
          sessions.exec(run, specOf(["true"]), { signal: AbortSignal.abort(new Error("given up")) }),
        ).rejects.toThrow("given up");
      });
    });

    describe("files", () => {
      const list = async (
        path: string,
        recursive: boolean,
        as: ActingUser = "user",
      ): Promise<FileEntry[]> => {
        const entries: FileEntry[] = [];
        for await (const entry of sessions.list(run, { path, recursive, as }, options)) entries.push(entry);
        return entries;
      };
      const names = async (path: string, recursive: boolean, as: ActingUser = "user") =>
        (await list(path, recursive, as)).map(({ name }) => name);
      const read = async (path: string, as: ActingUser = "user") => {
        const { size, content } = await sessions.read(run, { path, as }, options);
        const chunks: Buffer[] = [];
        for await (const chunk of content) chunks.push(chunk);
        const data = Buffer.concat(chunks);
        expect(data.length).toBe(size);
        return data.toString();
      };
      const change = (remove: string[], files: TarFile[] = []) =>
        sessions.change(run, { remove, tar: tarOf(files) }, options);

      test("a listing: per directory by name, its entries before those of its subdirectories, none hidden", async () => {
        await bash(
          "rm -rf /tmp/l && mkdir -p /tmp/l/b/.h/x /tmp/l/b/c /tmp/l/B /tmp/l/b.d && cd /tmp/l && touch a z .hidden b/1 b/c/2 b/.h/3 B/4 b.d/5 b-e",
        );
        expect(await names("/tmp/l", true)).toEqual([
          ...["B", "a", "b", "b-e", "b.d", "z", "B/4", "b/1", "b/c", "b/c/2", "b.d/5"].map(
            (path) => `/tmp/l/${path}`,
          ),
        ]);
        expect(await names("/tmp/l/", true)).toEqual(await names("/tmp/l", true));
        expect(await names("/tmp/l", false)).toEqual(["B", "a", "b", "b-e", "b.d", "z"]);
        await bash("mkdir -p dir && touch test.txt dir/x");
        expect(await names("./", true)).toEqual(expect.arrayContaining(["./test.txt", "./dir", "./dir/x"]));
        expect(await names("", false)).toContain("test.txt");
      });

      test("odd names come out exact, bytes that are not UTF-8 as U+FFFD", async () => {
        await bash("rm -rf /tmp/odd && mkdir /tmp/odd");
        await bash("cd /tmp/odd && for name; do touch -- \"$name\"; done; touch $'bad\\xff'", {});
        const execution = await start([
          "/bin/bash",
          "-c",
          'cd /tmp/odd && for name; do touch -- "$name"; ln -s -- "$name" "L$name"; done',
          "bash",
          ...NAMES,
        ]);
        await said(execution);
        const entries = await list("/tmp/odd", false);
        expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining([...NAMES, "bad\ufffd"]));
        for (const name of NAMES) {
          expect(entries.find((entry) => entry.name === `L${name}`)).toMatchObject({
            entryType: "l",
            linkTarget: name,
          });
        }
      });

      test("an entry says what `ls` says", async () => {
        await bash(
          "rm -rf /tmp/e && mkdir /tmp/e && cd /tmp/e && printf 12345 > file && chmod 4751 file && touch -d @1234567890 file && mkfifo pipe && ln -s file link && mkdir -m 1777 dir",
        );
        const entries = await list("/tmp/e", false);
        expect(entries.find(({ name }) => name === "file")).toEqual({
          ...{ name: "file", entryType: "-", size: 5, modificationTime: 1234567890 },
          ...{ permissions: "rwsr-x--x", owner: "user", group: "user" },
        });
        expect(entries.find(({ name }) => name === "link")).toMatchObject({
          entryType: "l",
          size: 4,
          linkTarget: "file",
        });
        expect(entries.find(({ name }) => name === "pipe")).toMatchObject({ entryType: "p" });
        expect(entries.find(({ name }) => name === "dir")).toMatchObject({
          entryType: "d",
          permissions: "rwxrwxrwt",
        });
        expect(await list("/dev/null", true)).toMatchObject([
          { name: "/dev/null", entryType: "c", size: 0, owner: "root" },
        ]);
      });

      test("a path that is a file or a link is one entry, unless it ends in a slash", async () => {
        await bash("rm -rf /tmp/p && mkdir -p /tmp/p/dir && cd /tmp/p && touch dir/in && ln -s dir link");
        expect(await list("/tmp/p/link", true)).toMatchObject([
          { name: "/tmp/p/link", entryType: "l", linkTarget: "dir" },
        ]);
        expect(await names("/tmp/p/link/", true)).toEqual(["/tmp/p/link/in"]);
        expect(await names("/tmp/p/dir/in", false)).toEqual(["/tmp/p/dir/in"]);
        expect(await list("/proc/self/cwd", true)).toMatchObject([
          { name: "/proc/self/cwd", linkTarget: expect.stringContaining("/") },
        ]);
        const [cwd] = await list("/proc/1/cwd", true);
        expect(cwd).toMatchObject({ entryType: "l" });
        expect(cwd).not.toHaveProperty("linkTarget");
      });

      test("parts that cannot be read are left out, and what is not there is FILE_UNREADABLE", async () => {
        await bash("rm -rf /tmp/u && mkdir -p /tmp/u/closed/in /tmp/u/open/in && chmod 700 /tmp/u/closed", {
          as: "root",
        });
        expect(await names("/tmp/u", true)).toEqual(["/tmp/u/closed", "/tmp/u/open", "/tmp/u/open/in"]);
        expect(await names("/tmp/u", true, "root")).toContain("/tmp/u/closed/in");
        await bash("mkdir -p /tmp/empty");
        for (const recursive of [true, false]) {
          expect(await names("/tmp/empty", recursive)).toEqual([]);
          for (const path of ["/nope", "/tmp/u/closed", "a\0b", "-nope", "/tmp/empty/../nope"]) {
            expect(await failure(names(path, recursive))).toMatchObject({ code: "FILE_UNREADABLE" });
          }
        }
      });

      test("a listing of many entries streams, and ends with its taker", async () => {
        await bash(
          "rm -rf /tmp/many && mkdir /tmp/many && cd /tmp/many && seq -f 'file%05g' 1 20000 | xargs touch",
        );
        expect(await names("/tmp/many", false)).toHaveLength(20_000);
        for await (const { name } of sessions.list(
          run,
          { path: "/", recursive: true, as: "root" },
          options,
        )) {
          expect(name).toMatch(/^\//);
          break;
        }
      });

      test("reads a regular file, links followed, exactly", async () => {
        await bash(
          "printf 'a\\0b\\n' > /tmp/r; ln -sf r /tmp/rl; : > /tmp/r0; head -c 3000000 /dev/zero > /tmp/r3",
        );
        expect(await read("/tmp/r")).toBe("a\0b\n");
        expect(await read("/tmp/rl")).toBe("a\0b\n");
        expect(await read("/tmp/r0")).toBe("");
        expect(await read("/tmp/r3")).toHaveLength(3_000_000);
      });

      test("what is no readable file is FILE_UNREADABLE", async () => {
        await bash("rm -f /tmp/rp; mkfifo /tmp/rp");
        for (const path of [
          "",
          "/nope",
          "/tmp",
          "/tmp/rp",
          "/dev/zero",
          "/proc/1/environ",
          "/etc/gshadow-",
          "a\0b",
        ]) {
          expect(await failure(read(path))).toMatchObject({ code: "FILE_UNREADABLE" });
        }
      });

      test("a file that grows is cut at its size, one that shrinks is an error", async () => {
        await bash("head -c 8000000 /dev/zero > /tmp/grow; truncate -s 300M /tmp/shrink");
        const growing = await sessions.read(run, { path: "/tmp/grow", as: "user" }, options);
        const shrinking = await sessions.read(run, { path: "/tmp/shrink", as: "user" }, options);
        await bash("echo more >> /tmp/grow; : > /tmp/shrink");
        let size = 0;
        for await (const chunk of growing.content) size += chunk.length;
        expect(size).toBe(8_000_000);
        const reading = async () => {
          for await (const _ of shrinking.content);
        };
        await expect(reading()).rejects.toBeInstanceOf(SessionFailure);
      });

      test("unpacks as root: modes, directories, missing parents, absolute paths and `..`", async () => {
        await change(
          [],
          [
            { name: "new/deep/file", mode: 0o744, content: "x" },
            { name: "/tmp/abs", mode: 0o744, content: "y" },
            { name: "../tmp/up", mode: 0o744, content: "z" },
            { name: "world/", mode: 0o1777 },
            ...NAMES.map((name) => ({ name: `names/${name}`, mode: 0o744, content: name })),
          ],
        );
        const shown = "stat -c '%n %U:%G %a' new new/deep new/deep/file /tmp/abs /tmp/up world";
        expect((await bash(shown)).stdout).toBe(
          "new root:root 755\nnew/deep root:root 755\nnew/deep/file root:root 744\n/tmp/abs root:root 744\n/tmp/up root:root 744\nworld root:root 1777\n",
        );
        for (const name of NAMES) expect(await read(`names/${name}`)).toBe(name);
      });

      test("existing files are replaced, also where a link stood; an existing directory gets the mode", async () => {
        await bash(
          "mkdir -p /tmp/x && echo old > /tmp/target && ln -sf /tmp/target over && echo old > plain && mkdir -p had",
        );
        await change(
          [],
          [
            { name: "over", mode: 0o744, content: "new" },
            { name: "plain", mode: 0o744, content: "new" },
            { name: "had/", mode: 0o1777 },
          ],
        );
        expect(
          (await bash("cat /tmp/target; stat -c %F over; cat over plain; stat -c ' %a' had")).stdout,
        ).toBe("old\nregular file\nnewnew 1777\n");
      });

      test("what cannot be written is told in tar's words, and the other files land", async () => {
        const refused = change(
          [],
          [
            { name: "before", mode: 0o744, content: "1" },
            { name: "/proc/1/environ", mode: 0o744, content: "2" },
            { name: "after", mode: 0o744, content: "3" },
          ],
        );
        const { code, message } = await failure(refused);
        expect([code, message]).toEqual(["COPY_FAILED", expect.stringContaining("Cannot open: ")]);
        expect(message.length).toBeLessThanOrEqual(4096);
        expect((await read("before")) + (await read("after"))).toBe("13");
      });

      test("removes what is named, and nothing where only dots are", async () => {
        await bash(
          "rm -rf rm && mkdir -p rm/d/e rm/.keep 'rm/*' && cd rm && touch -- a b '[ab]' .dot d/f '-x' $'new\\nline'",
        );
        const inRm = { ...options, defaultWorkdir: "/workspace" };
        const remove = (paths: string[]) => sessions.change(run, { remove: paths, tar: tarOf([]) }, inRm);
        await remove([
          "rm/[ab]",
          "rm/nope",
          "rm/d/../d",
          "/proc/1",
          "",
          ".",
          "..",
          "./",
          "/",
          "../..",
          "a/..",
          "rm/-x",
          "rm/new\nline",
        ]);
        expect((await bash("ls -A rm")).stdout.split("\n").slice(0, -1).sort()).toEqual([
          "*",
          ".dot",
          ".keep",
          "a",
          "b",
        ]);
        await remove(["rm/*"]);
        expect((await bash("ls -A rm")).stdout.split("\n").slice(0, -1).sort()).toEqual([
          ".dot",
          ".keep",
          "a",
          "b",
        ]);
      });

      test("`./*` alone is all in the working directory but hidden names", async () => {
        await bash("touch -- .hidden seen '-v'; mkdir -p some/thing", { as: "root" });
        await change(["./*"], [{ name: "only", mode: 0o744, content: "" }]);
        expect((await bash("ls -A")).stdout).toBe(".hidden\nonly\n");
      });
    });
  });
}

async function said(execution: Execution): Promise<Said> {
  const chunks: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for await (const { stream, data } of execution.output) chunks[stream].push(data);
  const text = (stream: "stdout" | "stderr") => Buffer.concat(chunks[stream]).toString();
  return { stdout: text("stdout"), stderr: text("stderr"), code: await execution.exit };
}

/** What stdout said until then; the rest is left to be read. */
async function untilSaid(execution: Execution, wanted: string): Promise<string> {
  let told = "";
  const output = execution.output[Symbol.asyncIterator]();
  while (!told.includes(wanted)) {
    const { value, done } = await output.next();
    if (done) break;
    if (value.stream === "stdout") told += value.data;
  }
  return told;
}
