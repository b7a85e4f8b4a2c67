import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readHoldings } from "#lambdas/dialects/unik/holdings.ts";
import {
  type ImageRecord,
  type InstanceRecord,
  keys,
  type VolumeRecord,
} from "#lambdas/dialects/unik/records.ts";
import type { Outcome } from "#protocol/wire.ts";
import { holdingsOf } from "../support/holdings-of.ts";
import { formOf } from "./support/form-of.ts";
import { ended, PlayedEdge, RUNNING } from "./support/played-edge.ts";
import { type Answer, type PlayedAgent, startUnikGround, type UnikGround } from "./support/unik-ground.ts";

let ground: UnikGround;
let agent: PlayedAgent;
let edge: PlayedEdge;
beforeAll(async () => {
  ground = await startUnikGround();
  agent = await ground.startAgent();
  edge = new PlayedEdge(agent).start();
});
afterAll(async () => {
  await edge.stop();
  await ground.stop();
});

type Fields = Record<string, unknown>;
const told = ({ status, text }: Answer) => [status, text];
const object = ({ text }: Answer) => JSON.parse(text) as Fields;
const DOCKER = "provider=docker&base=docker&lang=native";
const create = (name: string, query = DOCKER, more: [string, string][] = []) =>
  ground.ada(
    "POST",
    `/unik/images/${encodeURIComponent(name)}/create?${query}`,
    formOf([["tarfile", "x", "/a/b.tar"], ...more]),
  );
const run = (body: unknown) => ground.ada("POST", "/unik/instances/run", { body: JSON.stringify(body) });
const post = (path: string, body?: string) =>
  ground.ada("POST", `/unik/${path}`, body === undefined ? {} : { body });
const get = (path: string) => ground.ada("GET", `/unik/${path}`);
const remove = (path: string) => ground.ada("DELETE", `/unik/${path}`, { body: "null" });
const names = async (path: string) =>
  (JSON.parse((await get(path)).text) as { Name: string }[]).map(({ Name }) => Name);

describe("images", () => {
  it("are made with parameters of the query and the form, in any order", async () => {
    const answer = await create("app one", "provider=nothing", [
      ["provider", "docker"],
      ["base", "docker"],
      ["lang", "native"],
    ]).catch(() => undefined);
    // the query names no provider of the edge, and is looked at first
    expect(answer && told(answer)).toEqual([400, "nothing is not a known provider. Available: docker|qemu"]);
    const made = await ground.ada(
      "POST",
      "/unik/images/app%20one/create?mounts=/data/,/logs&args=x%20y",
      formOf([
        ["tarfile", "archive", "/abs/olute.tar"],
        ["provider", "docker"],
        ["base", "docker"],
        ["lang", "native"],
        ["args", "a b"],
      ]),
    );
    expect([made.status, made.headers["content-type"]]).toEqual([201, "application/json"]);
    expect(object(made)).toEqual({
      Id: "app one",
      Name: "app one",
      SizeMb: 2,
      Infrastructure: "DOCKER",
      Created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      StageSpec: { ImageFormat: "folder" },
      RunSpec: {
        DeviceMappings: [
          { MountPoint: "/", DeviceName: "root" },
          { MountPoint: "/data", DeviceName: "vol0" },
          { MountPoint: "/logs", DeviceName: "vol1" },
        ],
        DefaultInstanceMemory: 512,
        MinInstanceDiskMB: 2,
        VsphereNetworkType: "",
        Compiler: "docker-native-docker",
      },
    });
    expect(edge.inputs("image.compile").at(-1)).toMatchObject({
      args: "a b",
      mountPoints: ["/data", "/logs"],
    });
    expect(object(await get("images/app%20o"))).toEqual(object(made));
    expect(told(await remove("images/app%20one"))).toEqual([204, ""]);
    expect(await names("images")).toEqual([]);
  });

  it.each([
    ["a.", DOCKER, 400, /a name begins/],
    ["create", DOCKER, 400, /may not be called create/],
    ["a", "", 400, /^must provide 'provider' parameter$/],
    ["a", "provider=docker", 400, /^must provide 'base' parameter$/],
    ["a", "provider=docker&base=docker", 400, /^must provide 'lang' parameter$/],
    ["a", "provider=docker&base=docker&lang=c", 501, /not available on this edge: no C image/],
    ["a", `${DOCKER}&mounts=/`, 400, /must not be \//],
    ["a", `${DOCKER}&mounts=/proc/x`, 400, /must not lie in/],
    ["a", `${DOCKER}&mounts=/a,/a/`, 400, /given twice/],
    ["a", "provider=qemu&base=baremetal&lang=c&mounts=/a", 400, /no mount points/],
  ])("%s?%s is %i", async (name, query, status, text) => {
    const answer = await create(name, query);
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(text)]);
  });

  it.each<[string, string, [string, string][], true?]>([
    ["nothing says so", "", []],
    ["the query says so", "&no_cleanup=true", [], true],
    ["the form says so", "", [["no_cleanup", "True"]], true],
    ["the form counts before the query", "&no_cleanup=true", [["no_cleanup", "no"]]],
  ])("keep what a failure leaves: %s", async (_, query, fields, noCleanup) => {
    expect((await create("kept", `${DOCKER}${query}`, fields)).status).toBe(201);
    expect((edge.inputs("image.compile").at(-1) as Fields).noCleanup).toBe(noCleanup);
    expect((await remove("images/kept")).status).toBe(204);
  });

  it("are known to each other's Dockerfiles by their names", async () => {
    for (const name of ["a base", "Odd", "under"]) expect((await create(name)).status).toBe(201);
    const bases = () => (edge.inputs("image.compile").at(-1) as Fields).bases as Fields;
    expect((await create("over")).status).toBe(201);
    expect(bases()).toEqual({ "under:latest": { image: expect.stringMatching(/^u[0-9a-z]{26}$/) } });
    for (const name of ["a base", "Odd", "under", "over"]) await remove(`images/${encodeURIComponent(name)}`);
  });

  it("are listed by the time at which they were made", async () => {
    for (const name of ["c", "a", "b"]) expect((await create(name)).status).toBe(201);
    expect(await names("images")).toEqual(["c", "a", "b"]);
    for (const name of ["c", "a", "b"]) await remove(`images/${name}`);
  });

  it("take no NUL among their arguments", async () => {
    const { status, text } = await create("nul", DOCKER, [["args", "a\0b"]]);
    expect([status, text]).toEqual([400, "args must not hold NUL"]);
  });

  it("need a multipart form with a tarfile", async () => {
    const path = `images/a/create?${DOCKER}`;
    expect(told(await post(path, "x"))).toEqual([400, "must be a multipart form"]);
    expect((await ground.ada("POST", `/unik/${path}`, formOf([["a", "b"]]))).status).toBe(400);
    expect(await names("images")).toEqual([]);
  });

  it("that do not compile are 422, with the end of the log and the command, and are not there", async () => {
    const data = { reason: "no Dockerfile", log_tail: Array.from({ length: 60 }, (_, n) => `line ${n}\n`) };
    edge.next.set("image.compile", {
      state: "failed",
      failure: { code: "BUILD_FAILED", message: "m", data },
    });
    const { status, text, headers } = await create("bad");
    const [first, second, ...rest] = text.split("\n");
    expect([status, first, second, rest.length, headers["perigee-error"]]).toEqual([
      422,
      "compilation failed: no Dockerfile",
      "line 10",
      49,
      "BUILD_FAILED",
    ]);
    expect((await get(`../commands/${headers["perigee-command"]}`)).status).toBe(401);
    expect(await names("images")).toEqual([]);
  });

  it("keep their name until it is forced, and a forced build that fails leaves all as it was", async () => {
    const first = object(await create("same"));
    const instance = object(await run({ imagename: "same", InstanceName: "one" }));
    expect(told(await create("same"))).toEqual([
      409,
      "an image already exists with name 'same', try again with --force",
    ]);
    edge.next.set("image.compile", { state: "failed", failure: { code: "BUILD_FAILED", message: "m" } });
    expect((await create("same", `${DOCKER}&force=true`)).status).toBe(422);
    expect(JSON.parse((await get("images")).text)).toEqual([first]);
    expect(JSON.parse((await get("instances")).text)).toEqual([instance]);
    expect((await create("same", DOCKER, [["force", "TRUE"]])).status).toBe(409);
    expect((await create("same", "", [...new URLSearchParams(`${DOCKER}&force=true`)])).status).toBe(201);
    expect(edge.inputs("image.compile").at(-1)).toMatchObject({
      replaces: { image: expect.any(String), pods: [`i${String(instance.Id).toLowerCase()}`] },
    });
    expect((await get("instances")).text).toBe("[]");
    const { uid } = (await ground.ground.accounts.getUser("ada"))!;
    const owner = { user: "ada", uid, edge: "em1" };
    expect((await readHoldings(ground.core.records, owner)).left).toEqual([]);
    expect(told(await remove("images/same"))).toEqual([204, ""]);
  });
});

describe("instances", () => {
  beforeAll(async () => void (await create("app")));

  it("run, stop, start and go", async () => {
    const answer = await run({
      InstanceName: "web",
      ImageName: "app",
      Mounts: null,
      Env: { A: "b" },
      MemoryMb: 64.0,
    });
    expect(answer.status).toBe(201);
    const web = object(answer);
    expect(web).toEqual({
      Id: expect.stringMatching(/^[0-9A-Z]{26}$/),
      Name: "web",
      State: "running",
      IpAddress: "127.88.0.2",
      ImageId: "app",
      Infrastructure: "DOCKER",
      Created: expect.stringMatching(/Z$/),
    });
    expect(edge.inputs("pod.run").at(-1)).toMatchObject({
      envs: { A: "b" },
      hostname: "web",
      ports: [80],
      imageSpace: "unik",
      address: true,
      graceMs: 10_000,
    });
    expect(JSON.parse((await get("instances")).text)).toEqual([web]);
    expect(object(await get(`instances/${String(web.Id).slice(0, 5)}`))).toEqual(web);
    expect((await ground.bob("GET", "/unik/instances/web")).status).toBe(404);
    const { items } = await holdingsOf(ground.ground, "ada");
    expect(items.find(({ name }) => name === "web")).toEqual({
      dialect: "unik",
      kind: "instance",
      name: "web",
      created: web.Created,
      image: "app",
      known: `i${String(web.Id).toLowerCase()}`,
      command: expect.any(String),
      state: "running",
      phase: "runs",
    });
    expect(items.filter(({ kind }) => kind === "image").map(({ name }) => name)).toContain("app");
    expect(await holdingsOf(ground.ground, "bob")).toEqual({ status: 200, items: [] });

    expect(told(await remove("instances/web"))).toEqual([
      409,
      "instance web is still running. try again with --force or power off instance first",
    ]);
    expect(told(await post("instances/web/stop", "null"))).toEqual([200, ""]);
    expect(object(await get("instances/web"))).toEqual({
      ...web,
      State: "stopped",
      IpAddress: "",
      ExitCode: 143,
    });
    expect(told(await post("instances/web/stop"))).toEqual([200, ""]);
    const started = await post("instances/web/start", "whatever");
    expect([...told(started), started.headers["content-length"]]).toEqual([200, "", "0"]);
    expect(object(await get("instances/web"))).toEqual(web);
    expect(told(await post("instances/web/start"))).toEqual([200, ""]);
    expect(
      edge
        .inputs("pod.run")
        .slice(-2)
        .map((input) => (input as Fields).pod),
    ).toEqual([`i${String(web.Id).toLowerCase()}`, `i${String(web.Id).toLowerCase()}`]);
    expect(told(await remove("images/app"))).toEqual([
      409,
      "instance web found which uses image app; try again with force=true",
    ]);
    expect(told(await remove("instances/web?force=true"))).toEqual([204, ""]);
    expect(await names("instances")).toEqual([]);
  });

  it("have states by the end of their process", async () => {
    const id = String(object(await run({ ImageName: "app" })).Id);
    expect(await names("instances")).toEqual([`app-${id.slice(-6).toLowerCase()}`]);
    const pod = `i${id.toLowerCase()}`;
    const state = async () => {
      const { State, Reason, ExitCode, IpAddress } = object(await get(`instances/${id}`));
      return [State, Reason, ExitCode, IpAddress];
    };
    await edge.tell(pod, ended(0, "Completed"));
    expect(await state()).toEqual(["stopped", undefined, 0, ""]);
    await edge.tell(pod, ended(137, "OOMKilled"));
    expect(await state()).toEqual(["error", "OOMKilled", 137, ""]);
    await edge.tell(pod, { waiting: { reason: "Unschedulable" } });
    expect(await state()).toEqual(["pending", "Unschedulable", undefined, ""]);
    await edge.tell(pod, RUNNING);
    expect((await state())[0]).toBe("running");
    expect((await remove(`instances/${id.slice(0, 14)}?force=true`)).status).toBe(404);
    expect((await remove(`instances/${id.slice(0, 15)}?force=true`)).status).toBe(204);
  });

  it("are known whatever many ran before them", async () => {
    const gone = Array.from({ length: 1100 }, (_, n) => String(n).padStart(26, "0"));
    const of = { user: "ada", image: "x", node: "", state: ended(0, "Completed") };
    while (gone.length > 0)
      await agent.pods(gone.splice(0, 200).map((run) => ({ ...of, pod: `i${run}`, run })));
    expect((await run({ ImageName: "app", InstanceName: "late" })).status).toBe(201);
    expect(object(await get("instances/late")).State).toBe("running");
    expect((await remove("instances/late?force=true")).status).toBe(204);
  });

  it("have no name that a pod of another API's has while it runs", async () => {
    const of = { user: "ada", pod: "em-pod", run: "01J00000000000000000000000", image: "x", node: "" };
    await agent.pods([{ ...of, state: RUNNING }]);
    const named = { ImageName: "app", InstanceName: "em-pod" };
    expect(told(await run(named))).toEqual([409, "instance with name 'em-pod' already exists"]);
    await agent.pods([{ ...of, state: ended(0, "Completed") }]);
    expect((await run(named)).status).toBe(201);
    expect((await remove("instances/em-pod?force=true")).status).toBe(204);
  });

  it.each(["images", "instances", "volumes"] as const)("200 %s are a user's, and no more", async (kind) => {
    const { uid } = (await ground.ground.accounts.getUser("bob"))!;
    const owner = { user: "bob", uid, edge: "em1" };
    const bob = (path: string, sent: Parameters<typeof ground.bob>[2]) =>
      ground.bob("POST", `/unik/${path}`, sent);
    const form = formOf([["tarfile", "x", "t"]]);
    const calls = {
      images: (name: string) => bob(`images/${name}/create?${DOCKER}`, form),
      instances: (name: string) =>
        bob("instances/run", { body: JSON.stringify({ ImageName: "many-0", InstanceName: name }) }),
      volumes: (name: string) => bob(`volumes/${name}?provider=docker&size=1`, {}),
    };
    await calls.images("many-0");
    const { records } = ground.core;
    const image = (await records.get<ImageRecord>(keys.image(owner, "many-0")))!.data;
    const { version } = image.content!;
    const ofAll = { createdAt: 1, provider: "docker" as const };
    const data = {
      images: (name: string): ImageRecord => ({ ...image, name }),
      instances: (id: string): InstanceRecord => ({
        ...{ ...ofAll, id, name: id, image: "many-0", version, pod: id, run: "r", mounts: [] },
        ...{ memoryMb: 64, env: {} },
      }),
      volumes: (name: string): VolumeRecord => ({ ...ofAll, name, volume: name }),
    };
    const key = { images: keys.image, instances: keys.instance, volumes: keys.volume }[kind];
    const all = Array.from({ length: 200 }, (_, n) => `many-${n}`);
    for (const name of all) {
      await records.transact([{ put: { ...key(owner, name), data: data[kind](name) } }]);
    }
    expect(told(await calls[kind]("one-more"))).toEqual([
      429,
      `there are 200 ${kind} already: at most 200 on one edge`,
    ]);
    for (const name of all) await records.transact([{ delete: key(owner, name) }]);
  });

  it("that cannot start are 422, and stay only with NoCleanup", async () => {
    edge.starts = ended(128, "StartError", false);
    const { status, text } = await run({ ImageName: "app", InstanceName: "x" });
    expect([status, text]).toEqual([422, "instance could not be started: StartError"]);
    expect(await names("instances")).toEqual([]);
    expect((await run({ ImageName: "app", InstanceName: "x", NoCleanup: "true" })).status).toBe(422);
    expect(object(await get("instances/x"))).toMatchObject({ State: "error", Reason: "StartError" });
    expect(told(await post("instances/x/start"))).toEqual([422, "instance could not be started: StartError"]);
    edge.starts = RUNNING;
    expect(told(await post("instances/x/start"))).toEqual([200, ""]);
    expect((await remove("instances/x?force=true")).status).toBe(204);
  });

  it("are checked in the contract's order, of all their volumes one check before the next", async () => {
    for (const name of ["used", "free"]) await post(`volumes/${name}?provider=docker&size=1`);
    await post("volumes/disk?provider=qemu&size=1");
    await create("two", `${DOCKER}&mounts=/a,/b`);
    await run({ ImageName: "two", InstanceName: "holds", Mounts: { "/a": "used", "/b": "free" } });
    const mounting = async (a: string, b: string) =>
      told(await run({ ImageName: "two", Mounts: { "/a": a, "/b": b }, MemoryMb: 1 }));
    expect(await mounting("disk", "nope")).toEqual([404, "volume nope not found"]);
    expect(await mounting("used", "disk")).toEqual([
      400,
      "volume disk is for qemu, and image two for docker",
    ]);
    expect(await mounting("used", "used")).toEqual([409, "volume used is attached to instance holds"]);
    await remove("instances/holds?force=true");
    expect(await mounting("used", "used")).toEqual([409, "volume used is given for two mount points"]);
    expect(await mounting("used", "free")).toEqual([400, "MemoryMb must be at least 16"]);
    for (const name of ["used", "free", "disk"]) await remove(`volumes/${name}`);
    await remove("images/two");
  });

  it("a run that the edge refuses leaves nothing", async () => {
    const failure = { code: "QUOTA_EXCEEDED" as const, message: "too many pods" };
    edge.next.set("pod.run", { state: "failed", failure });
    expect(told(await run({ ImageName: "app", InstanceName: "x" }))).toEqual([507, "too many pods"]);
    expect(await names("instances")).toEqual([]);
  });

  it.each([
    [{}, 400, "image must be named"],
    [{ ImageName: "ap" }, 404, "image ap not found"],
    [{ ImageName: "app", Mounts: { "/x": "v" } }, 400, "mount point /x does not exist for image app"],
    [{ ImageName: "app", MemoryMb: 15 }, 400, "MemoryMb must be at least 16"],
    [{ ImageName: "app", MemoryMb: 1025 }, 400, "MemoryMb must be at most 1024"],
    [{ ImageName: "app", MemoryMb: 1.5 }, 400, "MemoryMb must be a whole number"],
    [{ ImageName: "app", Env: { "1": "" } }, 400, 'Env: "1" is no name of a variable'],
    [
      { ImageName: "app", DebugMode: true },
      501,
      "debug mode is not offered: nothing on the edge listens for a debugger",
    ],
  ])("%j is refused", async (body, status, text) => {
    expect(told(await run(body))).toEqual([status, text]);
  });
});

describe("volumes", () => {
  const volume = (name: string, query: string, body?: string) => post(`volumes/${name}?${query}`, body);

  it("that goes while a start waits stays detached, though that start fails", async () => {
    await create("waiting", `${DOCKER}&mounts=/d`);
    await volume("gone", "provider=docker&size=1");
    await run({ ImageName: "waiting", InstanceName: "waits", Mounts: { "/d": "gone" } });
    await post("instances/waits/stop");
    await edge.stop();
    const later = { headers: { prefer: "respond-async" } };
    expect((await ground.ada("DELETE", "/unik/volumes/gone?force=true", later)).status).toBe(202);
    expect((await ground.ada("POST", "/unik/instances/waits/start", later)).status).toBe(202);
    edge = new PlayedEdge(agent);
    const failure = { code: "VOLUME_NOT_FOUND" as const, message: "no volume", data: { at: "/d" } };
    edge.next.set("pod.run", { state: "failed", failure });
    edge.start();
    await expect.poll(() => edge.did.length).toBe(2);
    await expect.poll(async () => (await get("volumes/gone")).status).toBe(404);
    expect((await volume("gone", "provider=docker&size=1")).status).toBe(201);
    expect(object(await get("volumes/gone")).Attachment).toBe("");
    await remove("images/waiting?force=true");
    await remove("volumes/gone");
  });

  it("are made, attached, detached and removed", async () => {
    const made = await volume("data", "provider=docker&size=5", "type=fat");
    expect([made.status, object(made)]).toEqual([
      201,
      {
        Id: "data",
        Name: "data",
        SizeMb: 5,
        Attachment: "",
        Infrastructure: "DOCKER",
        Created: expect.stringMatching(/Z$/),
      },
    ]);
    const form = formOf([
      ["provider", "docker"],
      ["tarfile", "x", "d"],
      ["type", "EXT2"],
    ]);
    expect((await ground.ada("POST", "/unik/volumes/More%20data", form)).status).toBe(201);
    expect(edge.inputs("volume.create").slice(-2)).toMatchObject([
      { volume: "data", kind: "directory", source: "empty", sizeBytes: 5 * 1024 * 1024 },
      { volume: expect.stringMatching(/^u[0-9a-z]{26}$/), source: "tar" },
    ]);
    await create("disk", `${DOCKER}&mounts=/d`);
    expect(told(await run({ ImageName: "disk" }))).toEqual([
      400,
      "required mount point missing from input: /d",
    ]);
    expect(told(await run({ ImageName: "disk", Mounts: { "/d": "x" } }))).toEqual([
      404,
      "volume x not found",
    ]);
    const instance = object(await run({ ImageName: "disk", InstanceName: "i", Mounts: { "/d": "data" } }));
    expect(object(await get("volumes/data")).Attachment).toBe(instance.Id);
    const busy = [409, "volume data is attached to instance i"];
    expect(told(await run({ ImageName: "disk", Mounts: { "/d": "data" } }))).toEqual(busy);
    expect(told(await remove("volumes/data"))).toEqual([
      409,
      "volume data is attached to instance i; try again with force=true",
    ]);
    expect(told(await post("volumes/data/detach"))).toEqual([409, "instance i is running; stop it first"]);
    await post("instances/i/stop");
    expect(told(await post("volumes/data/attach/i?mount=/d"))).toEqual(busy);
    const detached = await post("volumes/data/detach", "null");
    expect([...told(detached), detached.headers["content-type"]]).toEqual([
      202,
      "data",
      "text/plain; charset=utf-8",
    ]);
    expect(told(await post("volumes/data/detach"))).toEqual([409, "volume has no attachment"]);
    expect(told(await post("instances/i/start"))).toEqual([
      409,
      "required mount point missing from input: /d",
    ]);
    expect(told(await post("volumes/data/attach/i"))).toEqual([400, "must provide 'mount' parameter"]);
    expect((await post("volumes/data/attach/i?mount=/e")).status).toBe(400);
    expect(told(await post("volumes/More%20data/attach/i?mount=/d"))).toEqual([202, "More data"]);
    expect((await post("volumes/data/attach/i?mount=/d")).status).toBe(409);
    expect((await post("instances/i/start")).status).toBe(200);
    expect(edge.inputs("pod.run").at(-1)).toMatchObject({
      mounts: [{ at: "/d", volume: expect.stringMatching(/^u/) }],
    });
    expect(told(await remove("volumes/More%20data?force=true"))).toEqual([204, ""]);
    expect(object(await get("instances/i")).State).toBe("stopped");
    expect(told(await remove("volumes/data"))).toEqual([204, ""]);
    expect((await get("volumes")).text).toBe("[]");
    expect((await remove("images/disk?force=true")).status).toBe(204);
  });

  it("that others use are kept, whatever force says, and stay attached", async () => {
    await volume("shared", "provider=docker&size=1");
    await create("keeper", `${DOCKER}&mounts=/d`);
    await run({ ImageName: "keeper", InstanceName: "k", Mounts: { "/d": "shared" } });
    const failure = { code: "VOLUME_IN_USE", message: "a pod uses it" } as const;
    edge.next.set("volume.remove", { state: "failed", failure });
    expect(told(await remove("volumes/shared?force=true"))).toEqual([409, "a pod uses it"]);
    expect(object(await get("volumes/shared")).Attachment).toBe(object(await get("instances/k")).Id);
    expect((await post("instances/k/start")).status).toBe(200);
    expect((await remove("volumes/shared?force=true")).status).toBe(204);
    expect((await remove("images/keeper?force=true")).status).toBe(204);
  });

  it("that another API has removed start nothing, are listed no more, and are attached nowhere", async () => {
    await volume("lost", "provider=docker&size=1");
    await create("keeper", `${DOCKER}&mounts=/d`);
    const gone: Outcome = {
      state: "failed",
      failure: { code: "VOLUME_NOT_FOUND", message: "There is no volume", data: { at: "/d" } },
    };
    edge.next.set("pod.run", gone);
    const mounted = { ImageName: "keeper", InstanceName: "k", Mounts: { "/d": "lost" } };
    expect(told(await run(mounted))).toEqual([404, "volume lost not found"]);
    expect([await names("volumes"), await names("instances")]).toEqual([[], []]);

    await volume("lost", "provider=docker&size=1");
    expect((await run(mounted)).status).toBe(201);
    expect(edge.inputs("pod.run").at(-1)).toMatchObject({
      mounts: [{ volume: "lost", at: "/d", mustExist: true }],
    });
    await post("instances/k/stop");
    edge.next.set("pod.run", gone);
    const bare = [409, "required mount point missing from input: /d"];
    expect(told(await post("instances/k/start"))).toEqual(bare);
    expect(await names("volumes")).toEqual([]);
    expect(object(await get("instances/k")).State).toBe("stopped");
    const runs = edge.inputs("pod.run").length;
    await volume("lost", "provider=docker&size=1");
    expect(object(await get("volumes/lost")).Attachment).toBe("");
    expect(told(await post("instances/k/start"))).toEqual(bare);
    expect(edge.inputs("pod.run")).toHaveLength(runs);
    expect((await remove("images/keeper?force=true")).status).toBe(204);
    expect((await remove("volumes/lost")).status).toBe(204);
  });

  it.each([
    ["", "must provide 'provider' parameter"],
    ["provider=xen", "xen is not a known provider. Available: docker|qemu"],
    ["provider=docker", "could not parse given size"],
    ["provider=docker&size=0", "could not parse given size"],
    ["provider=docker&size=x", "could not parse given size"],
    ["provider=docker&size=1&raw=true", "Raw volume was requested but no data provided"],
    ["provider=docker&size=1&type=ntfs", "type 'ntfs' is not one of ext2, fat"],
  ])("?%s is 400", async (query, text) => expect(told(await volume("v", query))).toEqual([400, text]));

  it("a size that is only in the form says so, and a raw one is for qemu", async () => {
    expect(told(await volume("v", "provider=docker", "size=5"))).toEqual([
      400,
      "could not parse given size: it is read from the query only",
    ]);
    const raw = formOf([["tarfile", "x", "d"]]);
    expect((await ground.ada("POST", "/unik/volumes/v?provider=docker&raw=true", raw)).status).toBe(501);
    expect((await ground.ada("POST", "/unik/volumes/v?provider=qemu&raw=true", raw)).status).toBe(201);
    expect(told(await volume("v", "provider=docker&size=1"))).toEqual([409, "volume v already exists"]);
    expect((await remove("volumes/v")).status).toBe(204);
  });
});
