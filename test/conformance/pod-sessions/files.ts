import { describe, expect, test } from "vitest";
import { SessionFailure } from "#agent/sessions/pod-sessions.ts";
import type { ActingUser, FileEntry } from "#protocol/live.ts";
import { type TarFile, tarOf } from "#test/support/tar-of.ts";
import { failure, NAMES, options, type SessionsRig, said } from "./sessions-rig.ts";

/** Files of a run that goes on: listed, read, unpacked and removed. */
export function testFiles(rig: SessionsRig): void {
  const { bash, start } = rig;

  describe("files", () => {
    const list = async (path: string, recursive: boolean, as: ActingUser = "user"): Promise<FileEntry[]> => {
      const entries: FileEntry[] = [];
      for await (const entry of rig.sessions.list(rig.run, { path, recursive, as }, options))
        entries.push(entry);
      return entries;
    };
    const names = async (path: string, recursive: boolean, as: ActingUser = "user") =>
      (await list(path, recursive, as)).map(({ name }) => name);
    const read = async (path: string, as: ActingUser = "user") => {
      const { size, content } = await rig.sessions.read(rig.run, { path, as }, options);
      const chunks: Buffer[] = [];
      for await (const chunk of content) chunks.push(chunk);
      const data = Buffer.concat(chunks);
      expect(data.length).toBe(size);
      return data.toString();
    };
    const change = (remove: string[], files: TarFile[] = []) =>
      rig.sessions.change(rig.run, { remove, tar: tarOf(files) }, options);

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
      for await (const { name } of rig.sessions.list(
        rig.run,
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
      const growing = await rig.sessions.read(rig.run, { path: "/tmp/grow", as: "user" }, options);
      const shrinking = await rig.sessions.read(rig.run, { path: "/tmp/shrink", as: "user" }, options);
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
      expect((await bash("cat /tmp/target; stat -c %F over; cat over plain; stat -c ' %a' had")).stdout).toBe(
        "old\nregular file\nnewnew 1777\n",
      );
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
      const remove = (paths: string[]) =>
        rig.sessions.change(rig.run, { remove: paths, tar: tarOf([]) }, inRm);
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
}
