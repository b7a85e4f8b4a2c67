import { beforeAll, describe, expect, inject, test } from "vitest";
import { freePort } from "../../../scripts/localstack/free-port.ts";
import { me, named, PROVIDER, QUERY, run, SERVER, said, scripted, until } from "./support/session.ts";

/** that nothing on this machine listens at, where the edge may be */
let port: number;
let image: string;
let keeper: string;
beforeAll(async () => {
  port = await freePort();
  [image, keeper] = await Promise.all([scripted([], port), scripted(["/data"])]);
});

const volume = async () => {
  const name = named("volumes");
  const answer = await me.send("POST", `/volumes/${name}?${PROVIDER}&size=16`);
  if (answer.status !== 201) throw new Error(answer.text);
  return name;
};

describe.concurrent("an instance", () => {
  test("that ends by itself is stopped with 0, and error with any other code", async () => {
    const [good, bad] = await Promise.all([run(image, "exit 0"), run(image, "exit 7")]);
    await Promise.all([said(good!.json.Id), said(bad!.json.Id)]);
    const state = async (id: string) => {
      const { State, ExitCode, Reason } = (await me.get(`/instances/${id}`)).json;
      return [State, ExitCode, Reason];
    };
    expect(await state(good!.json.Id)).toEqual(["stopped", 0, undefined]);
    expect(await state(bad!.json.Id)).toEqual(["error", 7, "Error"]);
  });

  test("that cannot start is 422 and leaves nothing, but with NoCleanup stays as an error", async () => {
    const script = `FROM busybox\nENTRYPOINT ["/nope"]\n`;
    const { filesOf } = await import("./support/archive.ts");
    const name = named("images", "nope");
    await me.upload(`/images/${name}/create?${QUERY}`, await filesOf({ Dockerfile: script }));
    const failed = await me.post("/instances/run", { ImageName: name });
    expect([failed.status, failed.text]).toEqual([
      422,
      expect.stringMatching(/^instance could not be started: /),
    ]);
    const mine = async () =>
      (await me.get("/instances")).json.filter(({ ImageId }: { ImageId: string }) => ImageId === name);
    expect(await mine()).toEqual([]);
    const kept = await me.post("/instances/run", { ImageName: name, NoCleanup: "true" });
    expect(kept.status).toBe(422);
    expect(await mine()).toMatchObject([{ State: "error", Reason: "StartError" }]);
  });

  test("gets its environment, its own memory, and a name made from its image's", async () => {
    const Env = {
      SCRIPT:
        'echo "$A.b|$X"; cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes',
      X: "a 'b'\n$c",
    };
    const made = await me.post("/instances/run", { imagename: image, env: Env, memorymb: 64.0, unknown: 1 });
    expect(made.json.Name).toBe(`${image}-${made.json.Id.slice(-6).toLowerCase()}`);
    expect(await said(made.json.Id)).toBe(".b|a 'b'\n$c\n67108864\n");
  });

  test("is looked up by whole Ids and names first, then by a beginning that only one has", async () => {
    const name = named("instances", "prefixes-of-names");
    const others = [`${name}-one`, `${name}-two`];
    for (const other of others) await run(image, "true", { InstanceName: other });
    expect((await me.get(`/instances/${name}-o`)).json.Name).toBe(others[0]);
    expect(await me.get(`/instances/${name}`)).toMatchObject({
      status: 409,
      text: `'${name}' is ambiguous: ${others.join(", ")}`,
    });
    // a call that changes something takes only a long beginning
    expect((await me.delete(`/instances/${name.slice(0, 14)}`)).status).toBe(404);
    expect((await me.delete(`/instances/${name}-o?force=true`)).status).toBe(204);
    expect((await me.get(`/instances/${others[1]}`)).status).toBe(200);
  });

  test("keeps a volume through stop and start, and takes another at its next start", async () => {
    const [first, second] = [await volume(), await volume()];
    const script = `echo x >> /data/count; wc -l < /data/count; ${SERVER}`;
    const made = await run(keeper, script, { Mounts: { "/data": first } });
    expect(made.status).toBe(201);
    const { Id, Name } = made.json;
    expect((await me.get(`/volumes/${first}`)).json.Attachment).toBe(Id);
    const attach = (name: string) => me.send("POST", `/volumes/${name}/attach/${Id}?mount=/data`);
    expect(await attach(second)).toMatchObject({ status: 409, text: expect.stringContaining("/data") });
    expect(await me.post(`/volumes/${first}/detach`)).toMatchObject({
      status: 409,
      text: `instance ${Name} is running; stop it first`,
    });
    await me.post(`/instances/${Id}/stop`);
    await me.post(`/instances/${Id}/start`);
    await me.post(`/instances/${Id}/stop`);
    expect(await me.post(`/volumes/${first}/detach`)).toMatchObject({ status: 202, text: first });
    expect(await me.post(`/instances/${Id}/start`)).toMatchObject({
      status: 409,
      text: "required mount point missing from input: /data",
    });
    expect(await attach(second)).toMatchObject({ status: 202, text: second });
    await me.post(`/instances/${Id}/start`);
    await me.post(`/instances/${Id}/stop`);
    expect((await me.get(`/instances/${Id}/logs?previous=true`)).text).toContain("\n2\nup\n");
    expect((await me.get(`/instances/${Id}/logs`)).text).toContain("\n1\nup\n");
    await me.delete(`/instances/${Id}`);
    expect((await me.get(`/volumes/${second}`)).json.Attachment).toBe("");
  });
});

describe("run refuses", () => {
  test.each<[string, object, number, string]>([
    ["no image", {}, 400, "image must be named"],
    [
      "null for all",
      { InstanceName: null, ImageName: null, Mounts: null, Env: null },
      400,
      "image must be named",
    ],
    ["an unknown image", { ImageName: "nope" }, 404, "image nope not found"],
    ["no volume", { ImageName: "keeper" }, 400, "required mount point missing from input: /data"],
    [
      "another mount point",
      { ImageName: "image", Mounts: { "/x": "v" } },
      400,
      "mount point /x does not exist for image ",
    ],
    ["an unknown volume", { ImageName: "keeper", Mounts: { "/data": "nope" } }, 404, "volume nope not found"],
    ["a little memory", { ImageName: "image", MemoryMb: 8 }, 400, "MemoryMb must be at least 16"],
    ["much memory", { ImageName: "image", MemoryMb: 1e6 }, 400, "MemoryMb must be at most "],
    ["half a MiB", { ImageName: "image", MemoryMb: 32.5 }, 400, "MemoryMb"],
    ["a wrong name", { ImageName: "image", InstanceName: "-x" }, 400, "name"],
    ["an odd variable", { ImageName: "image", Env: { "1": "x" } }, 400, "Env"],
    [
      "debugging",
      { ImageName: "image", DebugMode: true },
      501,
      "debug mode is not offered: nothing on the edge listens for a debugger",
    ],
  ])("%s", async (_, body, status, text) => {
    const { ImageName } = body as { ImageName?: string };
    const name = { image, keeper }[ImageName ?? ""] ?? ImageName;
    const answer = await me.post("/instances/run", {
      ...body,
      ...(name !== undefined && { ImageName: name }),
    });
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(text)]);
  });

  test("what is no JSON, and a name that is taken", async () => {
    expect((await me.send("POST", "/instances/run", { body: Buffer.from("{") })).status).toBe(400);
    const name = named("instances");
    await run(image, "true", { InstanceName: name });
    const again = await run(image, "true", { InstanceName: name });
    expect(again).toMatchObject({ status: 409, text: `instance with name '${name}' already exists` });
  });
});

test("an instance is reached at its address, and reaches the user's others by name and nothing else", async () => {
  const name = named("instances", "web");
  const serve = `mkdir /w; echo hello > /w/x; httpd -f -p ${port} -h /w`;
  const web = (await run(image, serve, { InstanceName: name })).json;
  await until(web.Id, ({ IpAddress }) => IpAddress !== "");
  // a static busybox looks names up with nslookup alone
  const script = `
look() { nslookup "$1" 2>/dev/null | sed -n '/^Name/,$s/^Address[^:]*: *//p' | head -n 1; }
get() { printf 'GET /x HTTP/1.0\\r\\n\\r\\n' | timeout 5 nc -w 2 "$1" "$2" 2>/dev/null | tail -n 1; }
until [ "$(get "$(look ${name})" ${port})" = hello ]; do sleep 0.2; done
for at in ${web.IpAddress} 169.254.169.254 1.1.1.1 172.17.0.1; do echo "$at: $(get $at ${port})"; done`;
  const asked = await run(image, script);
  // this suite's own deployment gives addresses of this machine, which nobody reaches from inside
  const { tools } = inject("unik");
  expect(await said(asked.json.Id)).toBe(
    `${web.IpAddress}: ${tools ? "" : "hello"}\n169.254.169.254: \n1.1.1.1: \n172.17.0.1: \n`,
  );
  if (tools) expect(await (await fetch(`http://${web.IpAddress}:${port}/x`)).text()).toBe("hello\n");
  await me.delete(`/instances/${web.Id}?force=true`);
});
