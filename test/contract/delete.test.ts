import { beforeEach, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectInvalid, expectOk, expectRefusal } from "./support/expectations.ts";
import { paths } from "./support/listing.ts";
import { output, run } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

const DELETED = { message: "File deleted successfully" };
let client: Client;
const volume = named("delete");
const BEFORE = ["a.txt", "b.txt", "dir/c.txt", "dir/sub/d.txt"];

beforeEach(async () => {
  client = await user();
  await client.uplink(Object.fromEntries(BEFORE.map((path) => [path, path])), { pod_name: volume });
});

const remove = (filepath: string) => client.form("/em/files/delete", { filepath, pod_name: volume });

describe("deletes", () => {
  it("a file", async () => {
    expectOk(await remove("a.txt"), DELETED);
    expect(await paths(client, volume)).toEqual(BEFORE.filter((path) => path !== "a.txt"));
  });

  it("a folder with all in it", async () => {
    expectOk(await remove("./dir/"), DELETED);
    expect(await paths(client, volume)).toEqual(["a.txt", "b.txt"]);
  });

  it("from the volume's root when the path begins with a slash", async () => {
    expectOk(await remove("/dir/c.txt"), DELETED);
    expectOk(await remove("//dir/sub"), DELETED);
    expect(await paths(client, volume)).toEqual(["a.txt", "b.txt", "dir/"]);
  });

  it("from the volume that pvc_name names", async () => {
    const fields = { filepath: "b.txt", pvc_name: volume, pod_name: named("unused") };
    expectOk(await client.form("/em/files/delete", fields), DELETED);
    expect(await paths(client, volume)).not.toContain("b.txt");
  });

  it("a link, not what it points at", async () => {
    await run(client, volume, {
      command: "cd /data && ln -s dir link && ln -s a.txt flink && ln -s /etc out",
    });
    await output(client, volume);
    for (const link of ["link", "flink", "out"]) expectOk(await remove(link), DELETED);
    expect(await paths(client, volume)).toEqual(BEFORE);
  });

  it("what a pod made, whatever its kind and mode", async () => {
    await run(client, volume, {
      command: "cd /data && mkdir -p hard/x && mkfifo hard/pipe && touch hard/x/y && chmod 000 hard/x hard",
    });
    await output(client, volume);
    expectOk(await remove("hard"), DELETED);
    expect(await paths(client, volume)).toEqual(BEFORE);
  });
});

describe("refuses", () => {
  it.each(["missing", "dir/missing", "a.txt/x", "missing/a.txt"])(
    "%s, which is missing: 400",
    async (path) => {
      expectRefusal(await remove(path), 400, "DELETE_FAILED");
    },
  );

  it("a file of an unused volume, and makes none", async () => {
    const answer = await client.form("/em/files/delete", { filepath: "a.txt", pod_name: named("unused") });
    expectRefusal(answer, 400, "DELETE_FAILED");
  });

  it.each(["..", "../a.txt", "dir/../../x", "/../a.txt"])("%s, which leads out: 403", async (path) => {
    expectRefusal(await remove(path), 403, "ILLEGAL_PATH");
  });

  it("a path through a link that leads out: 403", async () => {
    await run(client, volume, { command: "ln -s / /data/root" });
    await output(client, volume);
    expectRefusal(await remove("root/etc/passwd"), 403, "ILLEGAL_PATH");
    expectOk(await remove("root"), DELETED);
  });

  it.each([".", "./", "/", "dir/.."])("the volume's root as %s: 400, and nothing goes", async (path) => {
    expectRefusal(await remove(path), 400, "DELETE_FAILED");
    expect(await paths(client, volume)).toEqual(BEFORE);
  });

  it("no path: 400", async () => {
    expectInvalid(await client.form("/em/files/delete", { pod_name: volume }), "filepath");
    expectInvalid(await remove(""), "filepath");
  });

  it("another user's file, as one that is missing", async () => {
    const answer = await (await other()).form("/em/files/delete", { filepath: "a.txt", pod_name: volume });
    expectRefusal(answer, 400, "DELETE_FAILED");
    expect(await paths(client, volume)).toEqual(BEFORE);
  });
});
