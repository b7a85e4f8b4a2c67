import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MOST } from "#lambdas/dialects/unik/bounds.ts";
import { type HubEntry, hubKeys } from "#lambdas/dialects/unik/hub/hub-records.ts";
import type { Outcome } from "#protocol/wire.ts";
import { formOf } from "./support/form-of.ts";
import { PlayedEdge } from "./support/played-edge.ts";
import {
  type Answer,
  basic,
  PASSWORD,
  type PlayedAgent,
  startUnikGround,
  type UnikGround,
} from "./support/unik-ground.ts";

const QUOTA = 100_000_000;
let ground: UnikGround;
let agent: PlayedAgent;
let edge: PlayedEdge;
beforeAll(async () => {
  ground = await startUnikGround({ quota: QUOTA });
  agent = await ground.startAgent();
  edge = new PlayedEdge(agent).start();
});
afterAll(async () => {
  await edge.stop();
  await ground.stop();
});

type User = "ada" | "bob";
let app: string;
let made = 0;
beforeEach(() => {
  app = `application-${made++}-x`;
});

const told = ({ status, text }: Answer) => [status, text];
const post = (user: User, path: string, body: unknown = {}, headers: Record<string, string> = {}) =>
  ground[user]("POST", `/unik/${path}`, { body: JSON.stringify(body), headers });
const create = (user: User, name = app) =>
  ground[user](
    "POST",
    `/unik/images/${name}/create?provider=docker&base=docker&lang=native&mounts=/data`,
    formOf([["tarfile", "x", "t"]]),
  );
const pushed = async (user: User, name = app) => {
  await create(user, name);
  expect(told(await post(user, `images/push/${name}`))).toEqual([202, ""]);
};
const hub = async (name = app, user: User = "bob") => {
  const { text } = await ground[user]("GET", "/unik/hub/images");
  const all = JSON.parse(text) as { image: { Name: string; Created: string }; owner: string }[];
  return all.filter(({ image }) => image.Name === name);
};
const owners = async (name = app) => (await hub(name)).map(({ owner }) => owner);
/** Does what is asked of the edge when `work` is over, and not before; until then `work` gets each command as accepted. */
const meanwhile = async (work: (push: (as: object) => Promise<Answer>) => Promise<void>) => {
  await edge.stop();
  try {
    await work((as) => post("ada", `images/push/${app}`, as, { prefer: "respond-async" }));
  } finally {
    edge = new PlayedEdge(agent).start();
  }
};
const inStaging = async () => (await ground.core.staging.list("hub/")).map(({ key }) => key);
const uidOf = async (user: string) => (await ground.ground.accounts.getUser(user))!.uid;

describe("push", () => {
  it("publishes an image as it is listed, and what is pushed later takes its place", async () => {
    await pushed("ada");
    const image = JSON.parse((await ground.ada("GET", `/unik/images/${app}`)).text);
    expect(await hub()).toEqual([{ image, owner: "ada" }]);
    const before = await inStaging();
    expect((await post("ada", `images/push/${app}`)).status).toBe(202);
    expect(await hub()).toEqual([{ image, owner: "ada" }]);
    const after = await inStaging();
    expect(after).toHaveLength(before.length);
    expect(after).not.toEqual(before);
    expect(edge.inputs("image.export").at(-1)).toMatchObject({ space: "unik", about: { Name: app } });
  });

  it("needs an image of the caller's, and tells nobody of another's", async () => {
    await create("ada");
    expect(told(await post("bob", `images/push/${app}`))).toEqual([404, `image ${app} not found`]);
    expect(await owners()).toEqual([]);
  });

  it.each([
    ["fails", { state: "failed", failure: { code: "STORAGE_FULL", message: "full" } }, 507],
    ["is cancelled", { state: "cancelled" }, 409],
  ] as const)("one that %s leaves the entry as it was, and nothing else", async (_, outcome, status) => {
    await pushed("ada");
    const before = await inStaging();
    edge.next.set("image.export", outcome as Outcome);
    expect((await post("ada", `images/push/${app}`)).status).toBe(status);
    expect([await owners(), await inStaging()]).toEqual([["ada"], before]);
    expect(await ground.core.staging.list("downlink/")).toEqual([]);
  });

  it("is asked for again by its Idempotency-Key, not done again", async () => {
    await create("ada");
    const headers = { "idempotency-key": `key-${app}` };
    const [one, two] = [
      await post("ada", `images/push/${app}`, {}, headers),
      await post("ada", `images/push/${app}`, {}, headers),
    ];
    expect(two.headers["perigee-command"]).toBe(one.headers["perigee-command"]);
    expect(two.status).toBe(202);
  });
});

describe("the hub of a request", () => {
  const host = () => new URL(ground.url).host;
  it.each([
    ["nothing", () => ({})],
    ["null", () => null],
    ["fields in small letters", () => ({ url: "", user: "", pass: "" })],
    ["this ground's URL", () => ({ URL: `http://${host()}/unik/hub` })],
    ["one with an edge", () => ({ URL: `http://${host()}/unik/em1/hub/` })],
  ])("%s is this ground's, of the caller", async (_, body) => {
    await create("ada");
    expect(told(await post("ada", `images/push/${app}`, body()))).toEqual([202, ""]);
    expect(await owners()).toEqual(["ada"]);
  });

  it.each([
    "https://hub.example/unik/hub",
    "http://127.0.0.1/unik/hub",
    "http://169.254.169.254/latest/meta-data",
    "s3://bucket/prefix",
    "file:///unik/hub",
    "localhost",
  ])("%s is refused, and nothing is asked there", async (url) => {
    const refused = [400, `hub '${url}' is not allowed on this ground`];
    for (const path of [`push/${app}`, `pull/${app}?provider=docker`, `remote-delete/${app}`]) {
      expect(told(await post("ada", `images/${path}`, { URL: url }))).toEqual(refused);
    }
  });

  it("another path of this ground is refused, and no log-in is repeated", async () => {
    const answer = await post("ada", `images/push/${app}`, {
      URL: `http://ada:se/cr@et@${host()}/unik/images`,
    });
    expect([answer.status, answer.headers["perigee-error"]]).toEqual([400, "HUB_NOT_ALLOWED"]);
    expect(answer.text).not.toMatch(/se\/cr|et@/);
  });

  it("a log-in in the body or the URL owns the entry; a wrong one is refused", async () => {
    await create("ada");
    const inBody = { Username: "bob", Password: PASSWORD };
    expect((await post("ada", `images/push/${app}`, inBody)).status).toBe(202);
    expect(await owners()).toEqual(["bob"]);
    const inUrl = { URL: `http://bob:${encodeURIComponent(PASSWORD)}@${host()}/unik/hub` };
    expect(told(await post("ada", `images/remote-delete/${app}`))).toEqual([404, `image ${app} not found`]);
    expect((await post("ada", `images/remote-delete/${app}`, inUrl)).status).toBe(202);
    expect(await owners()).toEqual([]);
    for (const user of ["bob", "nobody"]) {
      const wrong = { Username: user, Password: "wrong" };
      expect(told(await post("ada", `images/push/${app}`, wrong))).toEqual([
        403,
        `hub refuses user '${user}'`,
      ]);
    }
    expect(ground.lines.join("")).not.toContain(PASSWORD);
  });
});

describe("pull", () => {
  it("makes an image of it that is like any other, for what can run it", async () => {
    await pushed("ada");
    expect(told(await post("bob", `images/pull/${app}`))).toEqual([400, "must provide 'provider' parameter"]);
    expect(told(await post("bob", `images/pull/${app}?provider=xen`))[0]).toBe(400);
    expect(told(await post("bob", `images/pull/${app}?provider=qemu`))).toEqual([
      400,
      `image ${app} is for docker, and not for qemu`,
    ]);
    expect(told(await post("bob", `images/pull/${app}?provider=docker`))).toEqual([202, ""]);
    const image = JSON.parse((await ground.bob("GET", `/unik/images/${app}`)).text);
    expect(image).toMatchObject({ Name: app, SizeMb: 2, Infrastructure: "DOCKER" });
    expect(image.RunSpec.DeviceMappings).toContainEqual({ MountPoint: "/data", DeviceName: "vol0" });
    expect(await ground.core.staging.list("uplink/")).toEqual([]);
  });

  it("a name that is taken is kept, or replaced with its instances by force", async () => {
    await pushed("ada");
    await create("bob");
    await ground.bob("POST", `/unik/volumes/${app}?provider=docker&size=1`);
    const run = { ImageName: app, InstanceName: app, Mounts: { "/data": app } };
    expect((await post("bob", "instances/run", run)).status).toBe(201);
    const taken = `an image already exists with name '${app}', try again with --force`;
    expect(told(await post("bob", `images/pull/${app}?provider=docker`))).toEqual([409, taken]);
    expect((await post("bob", `images/pull/${app}?provider=docker&force=true`)).status).toBe(202);
    expect(edge.inputs("image.import").at(-1)).toMatchObject({
      replaces: { image: expect.any(String), pods: [expect.any(String)] },
    });
    expect((await ground.bob("GET", `/unik/instances/${app}`)).status).toBe(404);
  });

  it("one that fails leaves nothing, and says why", async () => {
    await pushed("ada");
    const failure = {
      code: "IMAGE_LOAD_FAILED",
      message: "m",
      data: { log_tail: [], reason: "for another CPU" },
    };
    edge.next.set("image.import", { state: "failed", failure } as Outcome);
    expect(told(await post("bob", `images/pull/${app}?provider=docker`))).toEqual([
      422,
      `image ${app} cannot be pulled: for another CPU`,
    ]);
    expect((await ground.bob("GET", `/unik/images/${app}`)).status).toBe(404);
    expect(await ground.core.staging.list("uplink/")).toEqual([]);
  });

  it("the own entry comes first, then the only one; of several the owner is to be named", async () => {
    const eve = ground.as("eve");
    await ground.ground.accounts.addUser("eve", PASSWORD);
    const pull = async (query = "") =>
      told(await eve("POST", `/unik/images/pull/${app}?provider=docker${query}`, { body: "{}" }));
    expect(await pull()).toEqual([404, `image ${app} not found`]);
    await pushed("ada");
    await pushed("bob");
    expect(await pull()).toEqual([409, `'${app}' is ambiguous: ada/${app}, bob/${app}`]);
    expect(await pull("&owner=eve")).toEqual([404, `image ${app} not found`]);
    expect(await pull("&owner=bob")).toEqual([202, ""]);
    expect((await post("ada", `images/pull/${app}?provider=docker&force=true`)).status).toBe(202);
  });

  it("what is not in the hub is not found, whoever has it", async () => {
    await create("ada");
    const missing = [404, `image ${app} not found`];
    expect(told(await post("bob", `images/pull/${app}?provider=docker`))).toEqual(missing);
    expect(told(await post("bob", `images/pull/${app.slice(0, -1)}?provider=docker`))[0]).toBe(404);
  });
});

it("remote-delete takes the exact name, of the owner alone, and leaves the image", async () => {
  await pushed("ada");
  expect(told(await post("bob", `images/remote-delete/${app}`))).toEqual([404, `image ${app} not found`]);
  expect((await post("ada", `images/remote-delete/${app.slice(0, -1)}`)).status).toBe(404);
  expect((await post("ada", `images/remote-delete/${"x".repeat(2000)}`)).status).toBe(404);
  expect(told(await post("ada", `images/remote-delete/${app}`, null))).toEqual([202, ""]);
  expect(told(await post("ada", `images/remote-delete/${app}`, null))).toEqual([
    404,
    `image ${app} not found`,
  ]);
  expect((await ground.ada("GET", `/unik/images/${app}`)).status).toBe(200);
  expect(await inStaging()).not.toContainEqual(expect.stringContaining(app));
});

it("no edge need be named to look into the hub, nor to delete from it", async () => {
  await pushed("ada");
  await ground.ground.accounts.addEdge("em2");
  for (const user of ["ada", "bob"]) await ground.ground.accounts.grant("em2", user);
  expect((await ground.ada("GET", "/unik/images")).status).toBe(400);
  expect((await ground.ada("GET", "/unik/hub/images")).status).toBe(200);
  expect((await ground.ada("GET", "/unik/nope/hub/images")).status).toBe(404);
  expect((await ground.send("GET", "/unik/hub/images")).status).toBe(401);
  expect((await post("ada", `images/remote-delete/${app}`)).status).toBe(202);
  for (const user of ["ada", "bob"]) await ground.ground.accounts.revoke("em2", user);
});

it("counts in its owner's quota, whoever pushes", async () => {
  await ground.ground.accounts.addUser("max", PASSWORD);
  const left = async (user: string) => ground.core.bytesLeft(user, "em1");
  const before = await left("max");
  await create("ada");
  expect((await post("ada", `images/push/${app}`, { user: "max", pass: PASSWORD })).status).toBe(202);
  expect(await left("max")).toBe(before - "archive ".length - 26);
  await ground.core.staging.put(`kept/max/unik/x`, Buffer.alloc(QUOTA - 1_000_000), { maxBytes: QUOTA });
  const over = await post("ada", `images/push/${app}`, { user: "max", pass: PASSWORD });
  expect([over.status, over.headers["perigee-error"]]).toEqual([507, "QUOTA_EXCEEDED"]);
  expect(await owners()).toEqual(["max"]);
});

it("goes with its account, and is not that of who gets the name", async () => {
  await ground.ground.accounts.addUser("zoe", PASSWORD);
  const zoe = ground.as("zoe");
  await create("ada");
  const as = { Username: "zoe", Password: PASSWORD };
  expect((await post("ada", `images/push/${app}`, as)).status).toBe(202);
  const uid = await uidOf("zoe");
  await ground.ground.accounts.removeUser("zoe");
  await ground.ground.accounts.addUser("zoe", `${PASSWORD}2`);
  const authorization = basic("zoe", `${PASSWORD}2`);
  expect(await owners()).toEqual([]);
  const anew = (path: string) =>
    zoe("POST", `/unik/images/${path}`, { body: "{}", headers: { authorization } });
  expect((await anew(`remote-delete/${app}`)).status).toBe(404);
  expect((await anew(`pull/${app}?provider=docker`)).status).toBe(404);
  await ground.ground.janitor.round();
  expect((await inStaging()).filter((key) => key.includes(uid))).toEqual([]);
});

it("leaves places to others: four pushes of an account are under way, and no more", async () => {
  await create("ada");
  await meanwhile(async (push) => {
    for (let n = 0; n < MOST.pushes; n++) expect((await push({})).status).toBe(202);
    expect(told(await push({}))).toEqual([
      429,
      "there are 4 pushes under way already: at most 4 of one account",
    ]);
  });
  await expect.poll(async () => (await post("ada", `images/push/${app}`)).status).toBe(202);
});

it("holds a bounded number of images of one account, whatever it deletes elsewhere", async () => {
  await ground.ground.accounts.addUser("pam", PASSWORD);
  const uid = await uidOf("pam");
  const as = { Username: "pam", Password: PASSWORD };
  await create("ada");
  expect((await post("ada", `images/push/${app}`, as)).status).toBe(202);
  const { records } = ground.core;
  const { data } = (await records.get<HubEntry>(hubKeys.entry({ uid, name: app })))!;
  for (let n = 1; n < MOST.hub; n++) {
    const one = { ...data, name: `many-${n}`, bytes: 0 };
    await records.transact([{ put: { ...hubKeys.entry(one), data: one } }]);
  }
  await create("ada", `${app}-2`);
  const over = await post("ada", `images/push/${app}-2`, as);
  expect(told(over)).toEqual([429, "there are 200 images in the hub already: at most 200 of one account"]);
  expect((await post("ada", `images/push/${app}`, as)).status).toBe(202);
});

it("of several pushes at once each counts what the others may bring", async () => {
  await ground.ground.accounts.addUser("tom", PASSWORD);
  await create("ada");
  const as = { Username: "tom", Password: PASSWORD };
  await ground.core.staging.put("kept/tom/unik/x", Buffer.alloc(QUOTA - 2_000_000), { maxBytes: QUOTA });
  await meanwhile(async (push) => {
    expect((await push(as)).status).toBe(202);
    expect(told(await push(as))[0]).toBe(507);
  });
  await expect.poll(() => owners()).toEqual(["tom"]);
  // its bytes are those of the archive now, and no more
  await create("ada", `${app}-2`);
  expect((await post("ada", `images/push/${app}-2`, as)).status).toBe(202);
});

it("a push that ends after its owner's account is gone leaves nothing", async () => {
  await ground.ground.accounts.addUser("eli", PASSWORD);
  const uid = await uidOf("eli");
  await create("ada");
  let id = "";
  await meanwhile(async (push) => {
    const { headers } = await push({ Username: "eli", Password: PASSWORD });
    id = String(headers.location).split("/").at(-1)!;
    await ground.ground.accounts.removeUser("eli");
    await ground.ground.janitor.round();
  });
  await expect.poll(async () => (await ground.core.commands.command("ada", id)).state).toBe("succeeded");
  await ground.ground.janitor.round();
  expect((await inStaging()).filter((key) => key.includes(uid))).toEqual([]);
  expect(await owners()).toEqual([]);
});
