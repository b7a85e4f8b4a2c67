import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectData, expectInvalid, expectOk, expectRefusal, UTC_SECONDS } from "./support/expectations.ts";
import { paths } from "./support/listing.ts";
import { fileOf, output, run, stateOf, UNTIL_TERM, untilRunning } from "./support/pods.ts";
import { named, other, user } from "./support/session.ts";

const DELETED = { message: "Volume deleted successfully" };
let client: Client;

beforeAll(async () => {
  client = await user();
});

type Volume = { name: string; size: number; created: string };
const volumes = async (of: Client): Promise<Volume[]> =>
  expectData(await of.get("/em/pvc/list"), "Successfully listed volumes");
const namesOf = async (of: Client) => (await volumes(of)).map(({ name }) => name);
const remove = (pvc_name: string, of = client) => of.form("/em/pvc/delete", { pvc_name });

describe("volumes", () => {
  it("are listed with name, size and when they were made", async () => {
    const name = named("v-list");
    await client.uplink({ a: new Uint8Array(5000) }, { pod_name: name });
    const volume = (await volumes(client)).find((one) => one.name === name)!;
    expect(Object.keys(volume)).toEqual(["name", "size", "created"]);
    expect(Number(volume.size)).toBeGreaterThanOrEqual(5000);
    expect(volume.created).toMatch(UTC_SECONDS);
    expect(await namesOf(await other())).not.toContain(name);
  });

  it("come with the first uplink or run, never with reading", async () => {
    const [made, ran, read] = [named("v-made"), named("v-ran"), named("v-read")];
    await client.uplink({ a: "a" }, { pod_name: made });
    await run(client, ran, { command: "true" });
    await client.get("/em/files/list", { pod_name: read });
    await client.get("/em/files/downlink", { pod_name: read, filepath: "a" });
    await client.form("/em/files/delete", { pod_name: read, filepath: "a" });
    const names = await namesOf(client);
    expect(names).toEqual(expect.arrayContaining([made, ran]));
    expect(names).not.toContain(read);
  });

  it("keep a pod's files, and bring them to the next pod of that name under /data", async () => {
    const name = named("v-keep");
    await client.uplink({ "in.txt": "up\n" }, { pod_name: name });
    await run(client, name, { command: "cat /data/in.txt > /data/out.txt; echo one >> /data/out.txt" });
    await output(client, name);
    await run(client, name, { command: "echo two >> /data/out.txt" });
    await output(client, name);
    expect((await fileOf(client, name, "out.txt")).toString()).toBe("up\none\ntwo\n");
  });

  it("pvc_name gives a pod another one than its own", async () => {
    const [pod, volume] = [named("v-pod"), named("v-pvc")];
    await run(client, pod, { pvc_name: volume, command: "echo here > /data/x" });
    await output(client, pod);
    expect(await paths(client, volume)).toEqual(["x"]);
    expect(await paths(client, pod)).toEqual([]);
    expect(await namesOf(client)).not.toContain(pod);
  });

  it("may be shared by two pods", async () => {
    const volume = named("v-shared");
    await run(client, named("v-one"), { pvc_name: volume, command: "echo 1 > /data/1" });
    await run(client, named("v-two"), { pvc_name: volume, command: "echo 2 > /data/2" });
    await output(client, named("v-one"));
    await output(client, named("v-two"));
    expect(await paths(client, volume)).toEqual(["1", "2"]);
  });
});

describe("deleting one", () => {
  it("takes all its files, and the name begins anew", async () => {
    const name = named("v-del");
    await client.uplink({ "a/b": "x" }, { pod_name: name });
    expectOk(await remove(name), DELETED);
    expect(await namesOf(client)).not.toContain(name);
    expect(await paths(client, name)).toEqual([]);
    await client.uplink({ c: "y" }, { pod_name: name });
    expect(await paths(client, name)).toEqual(["c"]);
  });

  it("that is unknown is 404", async () => {
    expectRefusal(await remove(named("v-none")), 404, "VOLUME_NOT_FOUND");
  });

  it("of another user is 404, and it stays", async () => {
    const name = named("v-mine");
    await client.uplink({ a: "a" }, { pod_name: name });
    expectRefusal(await remove(name, await other()), 404, "VOLUME_NOT_FOUND");
    expect(await paths(client, name)).toEqual(["a"]);
  });

  it("needs a name, and a right one", async () => {
    expectInvalid(await client.form("/em/pvc/delete", {}), "pvc_name");
    expectInvalid(await client.form("/em/pvc/delete", { pvc_name: "" }), "pvc_name");
    expectInvalid(await remove("No"), "pvc_name");
  });

  it("is 409 while a pod that has not terminated uses it", async () => {
    const [pod, volume] = [named("v-busy"), named("v-used")];
    await run(client, pod, { pvc_name: volume, command: UNTIL_TERM });
    await untilRunning(client, pod);
    expectRefusal(await remove(volume), 409, "VOLUME_IN_USE");
    expectOk(await client.form("/em/pod/stop", { pod_name: pod }), { message: "Pod stopped successfully" });
    expectOk(await remove(volume), DELETED);
  });

  it("is 409 while a scheduled pod is to use it", async () => {
    const name = named("v-later");
    await run(client, name, { scheduled_time: new Date(Date.now() + 3600_000).toISOString() });
    expect(await stateOf(client, name)).toMatchObject({ waiting: { reason: "Scheduled" } });
    expectRefusal(await remove(name), 409, "VOLUME_IN_USE");
    await client.form("/em/pod/stop", { pod_name: name });
    expectOk(await remove(name), DELETED);
  });
});
