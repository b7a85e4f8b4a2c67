import { beforeAll, describe, expect, it } from "vitest";
import type { Client, Query } from "./support/client.ts";
import { expectData, expectInvalid, expectOk } from "./support/expectations.ts";
import { list } from "./support/listing.ts";
import { output, run } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

/** XXH64, seed 0, as published with the algorithm. */
const XXH64 = { "": 0xef46db3751d8e999n, a: 0xd24ec4f1a98c6e5bn, abc: 0x44bc2cf5ad770999n };
const signed = (hash: bigint) => BigInt.asIntN(64, hash).toString();

let client: Client;
const volume = named("list");

beforeAll(async () => {
  client = await user();
  await client.uplink(
    { "b.txt": "abc", a: "a", empty: "", "dir/sub/abc": "abc", "dir/a": "a" },
    { pod_name: volume },
  );
});

describe("a listing", () => {
  it("is of the page's shape, sorted by name, directories with their contents", async () => {
    const data = await list(client, volume);
    const file = (name: string, size: string) => ({
      type: "file",
      name,
      size,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\d-\d\d-\d\d$/),
      hash: expect.any(Number),
    });
    const directory = (name: string, size: string, contents: unknown[]) => ({
      type: "directory",
      name,
      size,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\d-\d\d-\d\d$/),
      contents,
    });
    expect(data).toEqual([
      file("a", "1"),
      file("b.txt", "3"),
      directory("dir", "4", [file("a", "1"), directory("sub", "3", [file("abc", "3")])]),
      file("empty", "0"),
    ]);
  });

  it("tells XXH64 as a signed 64-bit integer, exact in the JSON", async () => {
    const { text } = await client.get("/em/files/list", { pod_name: volume });
    const hashes = [...text.matchAll(/"name":\s*"([^"]+)"[^{}]*?"hash":\s*(-?\d+)/g)].map((m) => [
      m[1],
      m[2],
    ]);
    expect(hashes).toContainEqual(["a", signed(XXH64.a)]);
    expect(hashes).toContainEqual(["b.txt", signed(XXH64.abc)]);
    expect(hashes).toContainEqual(["abc", signed(XXH64.abc)]);
    expect(hashes).toContainEqual(["empty", signed(XXH64[""])]);
    expect(hashes.some(([, hash]) => hash!.startsWith("-"))).toBe(true);
  });

  it("tells the time of the last change in UTC", async () => {
    const [entry] = await list(client, volume);
    const [y, mo, d, h, mi] = entry!.time.split("-").map(Number) as [number, number, number, number, number];
    const age = Date.now() - Date.UTC(y, mo - 1, d, h, mi);
    // the edge's clock is its own; a wrong zone would be at least a quarter of an hour
    expect(Math.abs(age)).toBeLessThan(14 * 60_000);
  });

  it("follows what changes", async () => {
    await client.uplink({ a: "abc" }, { pod_name: volume });
    const { text } = await client.get("/em/files/list", { pod_name: volume });
    expect(text).toMatch(new RegExp(`"name":\\s*"a",[^{}]*"hash":\\s*${signed(XXH64.abc)}`));
  });

  it("calls links and special files by their kind, and never follows a link", async () => {
    const special = named("special");
    const command = [
      "mkdir /data/d && touch /data/d/inside",
      "ln -s d /data/link && ln -s /etc /data/etc && ln -s nowhere /data/broken",
      "mkfifo /data/pipe",
      `truncate -s ${4 * 1024 ** 4} /data/sparse`,
    ].join(" && ");
    await run(client, special, { command });
    await output(client, special);
    try {
      const data = await list(client, special);
      expect(data.map(({ name, type }) => [name, type])).toEqual([
        ["broken", "symlink"],
        ["d", "directory"],
        ["etc", "symlink"],
        ["link", "symlink"],
        ["pipe", "other"],
        ["sparse", "file"],
      ]);
      for (const entry of data.filter(({ type }) => type === "symlink" || type === "other")) {
        expect(entry).not.toHaveProperty("contents");
        expect(entry.size).toMatch(/^\d+$/);
      }
      // hashing terabytes of zeros would hold the edge for hours
      expect(data.at(-1)).toMatchObject({ size: String(4 * 1024 ** 4), hash: null });
    } finally {
      const gone = await client.form("/em/files/delete", { filepath: "sparse", pod_name: special });
      expectOk(gone, { message: "File deleted successfully" });
    }
  });

  it("survives names that are not pretty", async () => {
    const odd = named("odd");
    await run(client, odd, {
      command: `touch "/data/$(printf 'new\\nline')" '/data/quo"te' '/data/back\\slash' "/data/$(printf 'b\\377d')"`,
    });
    await output(client, odd);
    const names = (await list(client, odd)).map(({ name }) => name);
    expect(names).toHaveLength(4);
    expect(names).toEqual(expect.arrayContaining(["new\nline", 'quo"te', "back\\slash"]));
  });
});

describe("volumes", () => {
  it("an unused one lists as empty, and listing makes none", async () => {
    const unused = named("unused");
    const answer = await client.get("/em/files/list", { pod_name: unused });
    expectOk(answer, { message: "Successfully listed files", data: [] });
    const volumes = expectData(await client.get("/em/pvc/list"), "Successfully listed volumes");
    expect(volumes.map(({ name }: { name: string }) => name)).not.toContain(unused);
  });

  it("pvc_name names it, beside or instead of pod_name", async () => {
    const ways: Query[] = [{ pvc_name: volume }, { pvc_name: volume, pod_name: named("unused") }];
    for (const query of ways) {
      const answer = await client.get("/em/files/list", query);
      expect(answer.json.data).toHaveLength(4);
    }
    const answer = await client.get("/em/files/list", { pvc_name: named("unused"), pod_name: volume });
    expect(answer.json.data).toEqual([]);
  });

  it("files of one are not seen from another, nor by another user", async () => {
    expect(await list(client, named("list2"))).toEqual([]);
    expect(await list(await other(), volume)).toEqual([]);
  });

  it("without a name it is the default one", async () => {
    const name = named("default.txt");
    await client.uplink({ [name]: "d" });
    const bare = await client.get("/em/files/list");
    const byName = await client.get("/em/files/list", { pod_name: "default" });
    expect(bare.text).toBe(byName.text);
    expect(bare.text).toContain(name);
    const empty = await client.get("/em/files/list", { pod_name: "", pvc_name: "" });
    expect(empty.text).toContain(name);
    expectOk(await client.form("/em/files/delete", { filepath: name }), {
      message: "File deleted successfully",
    });
  });

  it("a name that breaks the rule is 400", async () => {
    expectInvalid(await client.get("/em/files/list", { pod_name: "A" }), "pod_name");
    expectInvalid(await client.get("/em/files/list", { pvc_name: "a_b" }), "pvc_name");
  });
});
