import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectData, expectRefusal } from "./support/expectations.ts";
import { build } from "./support/images.ts";
import { run, UNTIL_TERM, untilRunning } from "./support/pods.ts";
import { EM_ROUTES } from "./support/routes.ts";
import { named, other, target, user } from "./support/session.ts";

let client: Client;

beforeAll(async () => {
  client = await user();
});

const edge = async (of = client) => expectData(await of.get("/edge"), "Successfully fetched edge");

describe("GET /edge", () => {
  it("tells contact and nodes as last reported, with their age", async () => {
    const data = await edge();
    expect(data.contact).toEqual({ state: "ok", last: expect.any(String), age: expect.any(Number) });
    expect(data.contact.age).toBeLessThan(90);
    const nodes = (await client.get("/em/nodes/status")).json.data;
    expect(data.nodes.map(({ name }: { name: string }) => name)).toEqual(
      nodes.map(({ name }: { name: string }) => name),
    );
    expect(data.busy).toBeNull();
  });

  it("tells what the edge's agent said of itself when it started", async () => {
    const { agent } = await edge();
    expect(agent).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      operations: expect.arrayContaining(["volume.uplink", "pod.run", "nodes.status"]),
      features: expect.any(Array),
    });
  });

  it("tells the user's own pods only", async () => {
    const pod = named("e-pod");
    await run(client, pod, { command: UNTIL_TERM });
    await untilRunning(client, pod);
    type Pod = { pod_name: string; image: string; node: string; age: number; state: unknown };
    let mine: Pod | undefined;
    while (!(mine?.state && "running" in (mine.state as object))) {
      mine = (await edge()).pods.find((one: Pod) => one.pod_name === pod);
    }
    expect(mine).toMatchObject({ image: target.image, state: { running: {} }, age: expect.any(Number) });
    const theirs = (await edge(await other())).pods.map(({ pod_name }: Pod) => pod_name);
    expect(theirs).not.toContain(pod);
    await client.form("/em/pod/stop", { pod_name: pod });
  });

  it("tells the user's own images and volumes, as they were when they last changed", async () => {
    const name = named("e-inventory");
    await client.uplink({ file: "12345" }, { pod_name: name });
    await build(client, name, "LABEL a=b");
    type Entry = { name: string; size: number; created: string };
    const find = async (of: Client, kind: "images" | "volumes"): Promise<Entry | undefined> =>
      (await edge(of))[kind]?.items.find((one: Entry) => one.name === name);
    await expect.poll(() => find(client, "volumes")).toBeDefined();
    await expect.poll(() => find(client, "images")).toBeDefined();
    const { images, volumes } = await edge();
    expect(volumes).toEqual({ age: expect.any(Number), truncated: false, items: expect.any(Array) });
    const listed = (await client.get("/em/pod/image/list")).json.data;
    const own = listed.find((one: Entry) => one.name === name);
    expect(images.items).toContainEqual(expect.objectContaining({ name, tag: "latest", size: own.size }));
    expect(await find(await other(), "volumes")).toBeUndefined();
    expect(await find(await other(), "images")).toBeUndefined();
    await client.form("/em/pod/image/delete", { image: name });
    await expect.poll(() => find(client, "images")).toBeUndefined();
    await client.form("/em/pvc/delete", { pvc_name: name });
    await expect.poll(() => find(client, "volumes")).toBeUndefined();
  });

  it("an edge may be named, and one that is not granted is 404 on every route", async () => {
    const { edge: id } = await edge();
    const named_ = { headers: { "perigee-edge": id } };
    expect((await client.get("/em/nodes/status", {}, named_)).status).toBe(200);
    expect((await client.get("/edge", {}, named_)).json.data.edge).toBe(id);
    const unknown = { headers: { "perigee-edge": "not-granted" } };
    expectRefusal(await client.get("/edge", {}, unknown), 404, "EDGE_NOT_FOUND");
    for (const route of EM_ROUTES) {
      expectRefusal(await route.call(client, named("e-x"), unknown), 404, "EDGE_NOT_FOUND");
    }
  });
});
