import { beforeAll, describe, expect, test } from "vitest";
import { environment, me, runner } from "./support/session.ts";

const UNREADABLE = { message: "file not found or insufficient permissions" };

let path: string;
beforeAll(async () => {
  path = await runner(await environment());
}, 300_000);

type Entry = {
  name: string;
  entryType: string;
  linkTarget?: string;
  permissions: string;
  size: number;
  modificationTime: number;
};
const list = async (query: string): Promise<Entry[]> => {
  const { status, json, text } = await me.get(`${path}/files?${query}`);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return json.files;
};
const names = async (query: string) => (await list(query)).map(({ name }) => name);

describe("copies", () => {
  test("files and directories get the modes of given ones, and read back byte for byte", async () => {
    const content = "héllo\n\0bytes";
    expect(
      await me.patch(path, { "made/a.txt": content, "made/dir/": "ignored", "/tmp/abs": "x" }),
    ).toMatchObject({
      status: 204,
      text: "",
    });
    const [dir, file] = await list("path=made");
    expect([dir, file].map((entry) => entry?.name).sort()).toEqual(["made/a.txt", "made/dir"]);
    const of = (name: string) => [dir, file].find((entry) => entry?.name === name);
    expect(of("made/a.txt")).toMatchObject({
      entryType: "-",
      permissions: "rwxr--r--",
      owner: "root",
      group: "root",
      size: Buffer.byteLength(content),
    });
    expect(of("made/dir")).toMatchObject({ entryType: "d", permissions: "rwxrwxrwt" });
    const raw = await me.get(`${path}/files/raw?path=made/a.txt`);
    expect([raw.status, raw.text]).toEqual([200, content]);
    expect(raw.headers.get("content-length")).toBe(String(Buffer.byteLength(content)));
    expect(raw.headers.get("content-disposition")).toBe('attachment; filename="made/a.txt"');
    expect((await me.get(`${path}/files/raw?path=/tmp/abs`)).text).toBe("x");
  });

  test("a copy has its time by the runner's clock, and its missing parents are root's", async () => {
    const seconds = async () => Number((await me.run(path, "date +%s")).text("stdout"));
    const before = await seconds();
    await me.patch(path, { "new/deep/file": "" });
    const after = await seconds();
    const [deep] = await list("path=new&recursive=false");
    expect(deep).toMatchObject({ name: "deep", permissions: "rwxr-xr-x", owner: "root", group: "root" });
    const [file] = await list("path=new/deep/");
    expect(Object.keys(file ?? {})).toEqual([
      "name",
      "entryType",
      "size",
      "modificationTime",
      "permissions",
      "owner",
      "group",
    ]);
    expect(file?.modificationTime).toBeGreaterThanOrEqual(before);
    expect(file?.modificationTime).toBeLessThanOrEqual(after);
  });

  test("the working directory itself can be deleted, and is there anew", async () => {
    const own = await runner(await environment());
    await me.patch(own, { old: "x" });
    expect((await me.patch(own, { new: "y" }, ["/workspace"])).status).toBe(204);
    expect((await me.get(`${own}/files?recursive=false`)).json.files).toMatchObject([{ name: "new" }]);
    expect((await me.run(own, "touch mine && ls")).text("stdout")).toMatch(/mine\s+new/);
  });

  test("the user works beside the given files and cannot change them", async () => {
    await me.patch(path, { given: "x" });
    const execution = await me.run(path, "touch own && rm -f given; echo more >> given; ls given own");
    expect(execution.text("stderr")).toContain("Permission denied");
    expect(execution.text("stdout")).toMatch(/given\s+own/);
  });

  test("./* removes what is not hidden, other words are literal, what is not there is no error", async () => {
    await me.patch(path, { "g/1": "1", ".hidden": "h", "*.txt": "star", "b.txt": "b" });
    expect((await me.patch(path, {}, ["*.txt", "none", "", "/", ".", ".."])).status).toBe(204);
    expect((await me.get(`${path}/files/raw?path=b.txt`)).status).toBe(200);
    expect((await me.get(`${path}/files/raw?path=*.txt`)).status).toBe(424);
    expect((await me.patch(path, { after: "a" }, ["./*"])).status).toBe(204);
    expect(await names("recursive=false")).toEqual(["after"]);
    expect((await me.get(`${path}/files/raw?path=.hidden`)).text).toBe("h");
  });

  test("a later entry of the same path wins; links are replaced, not followed", async () => {
    await me.run(path, "ln -s /etc/passwd link");
    const copy = [
      { path: "link", content: Buffer.from("first").toString("base64") },
      { path: "./link", content: Buffer.from("second").toString("base64") },
    ];
    expect((await me.body("PATCH", `${path}/files`, { copy })).status).toBe(204);
    expect((await me.get(`${path}/files/raw?path=link`)).text).toBe("second");
    expect((await me.run(path, "grep -c second /etc/passwd")).text("stdout")).toBe("0\r\n");
  });

  test("bad base64 changes nothing; what tar cannot write is told in its words, the others land", async () => {
    const bad = { delete: ["after"], copy: [{ path: "x", content: "cm9" }] };
    expect((await me.body("PATCH", `${path}/files`, bad)).status).toBe(400);
    const { status, json } = await me.patch(path, { "/proc/1/environ": "x", landed: "y" });
    expect(status).toBe(500);
    expect(json).toEqual({ message: expect.stringContaining("Cannot open: "), errorCode: "UNKNOWN" });
    expect((await me.get(`${path}/files/raw?path=landed`)).text).toBe("y");
  });

  test("several MiB go in and out", async () => {
    const content = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef\n").toString();
    expect((await me.patch(path, { big: content })).status).toBe(204);
    expect((await me.get(`${path}/files/raw?path=big`)).text === content).toBe(true);
  });
});

describe("lists", () => {
  test("an empty one is exactly that", async () => {
    await me.patch(path, { "empty/": "" });
    expect((await me.get(`${path}/files?path=empty/`)).text).toBe('{"files": []}');
  });

  test("names, order, hidden and odd ones", async () => {
    await me.patch(path, { "t/b/2": "", "t/b/.h": "", "t/a": "", "t/c x": "", 't/n\nl -> q"': "" }, ["t"]);
    expect(await names("path=t&recursive=false")).toEqual(["a", "b", "c x", 'n\nl -> q"']);
    expect(await names("path=t/")).toEqual(["t/a", "t/b", "t/c x", 't/n\nl -> q"', "t/b/2"]);
    expect(await names("path=t/a")).toEqual(["t/a"]);
    const recursive = await names("");
    expect(recursive).toContain("./t/b/2");
    expect(await names("recursive=nonsense")).toEqual(recursive);
  });

  test("kinds and modes are as ls shows them", async () => {
    const made = "mkdir k && cd k && touch s && chmod 7744 s && mkfifo p && ln -s s l && mkdir -m 1777 d";
    expect((await me.run(path, made)).end).toEqual({ type: "exit", data: 0 });
    const own = { owner: "user", group: "user" };
    expect(await list("path=k&recursive=false")).toMatchObject([
      { name: "d", entryType: "d", permissions: "rwxrwxrwt", ...own },
      { name: "l", entryType: "l", linkTarget: "s", permissions: "rwxrwxrwx", size: 1, ...own },
      { name: "p", entryType: "p", ...own },
      { name: "s", entryType: "-", permissions: "rwsr-Sr-T", size: 0, ...own },
    ]);
    expect(await list("path=/dev/null")).toMatchObject([{ name: "/dev/null", entryType: "c" }]);
    expect(await list("path=k/l")).toMatchObject([{ name: "k/l", entryType: "l" }]);
  });

  test("a link's file is read, with its own length; root reads what the user cannot", async () => {
    await me.patch(path, { "linked/file": "content" });
    await me.run(path, "ln -s linked/file to-it");
    const raw = await me.get(`${path}/files/raw?path=to-it`);
    expect([raw.status, raw.text, raw.headers.get("content-length")]).toEqual([200, "content", "7"]);
    const privileged = await me.get(`${path}/files/raw?path=/proc/1/environ&privilegedExecution=true`);
    expect([privileged.status, privileged.headers.get("content-length")]).toEqual([200, "0"]);
  });

  test("links are not followed, and what cannot be read is left out", async () => {
    expect(await list("path=/proc/self/cwd&recursive=false")).toMatchObject([
      { name: "/proc/self/cwd", entryType: "l", linkTarget: expect.any(String) },
    ]);
    const [own] = await list("path=/proc/1/cwd");
    expect(own).toMatchObject({ name: "/proc/1/cwd", entryType: "l" });
    expect(own).not.toHaveProperty("linkTarget");
    const [privileged] = await list("path=/proc/1/cwd&privilegedExecution=true");
    expect(privileged).toHaveProperty("linkTarget");
  });

  test("what is not there is 424", async () => {
    for (const query of [
      "files?path=none",
      "files/raw?path=none",
      "files/raw?path=/tmp",
      "files/raw",
      "files/raw?path=",
    ]) {
      const { status, json } = await me.get(`${path}/${query}`);
      expect([query, status, json]).toEqual([query, 424, UNREADABLE]);
    }
    expect((await me.get(`${path}/files/raw?path=/proc/1/environ`)).status).toBe(424);
    expect((await me.get(`${path}/files/raw?path=/dev/zero`)).status).toBe(424);
  });
});
