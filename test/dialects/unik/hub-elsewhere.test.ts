import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ForeignBucketFailed, type ForeignFailure } from "#lambdas/ports/foreign-buckets.ts";
import { GiB } from "#protocol/limits.ts";
import { filesBeneath } from "#test/support/files-beneath.ts";
import { formOf } from "./support/form-of.ts";
import { MemoryBucket } from "./support/memory-bucket.ts";
import { PlayedEdge } from "./support/played-edge.ts";
import { type Answer, startUnikGround, type UnikGround } from "./support/unik-ground.ts";

const QUOTA = 100_000_000;
const KEY = "AKIDTHEKEY";
const SECRET = "the-secret-of-the-key";
const URL = "https://hub.example:9000/images/shared";
const BODY = { URL, Username: KEY, Password: SECRET };

let ground: UnikGround;
let edge: PlayedEdge;
let hub: MemoryBucket;
beforeAll(async () => {
  ground = await startUnikGround({
    quota: QUOTA,
    settings: { PERIGEE_UNIK_HUBS: "hub.example:9000=10.1.2.3" },
    foreignBuckets: (place, keys) => hub.open(place, keys),
  });
  edge = new PlayedEdge(await ground.startAgent()).start();
});
afterAll(async () => {
  await edge.stop();
  await ground.stop();
});

let app: string;
let made = 0;
beforeEach(() => {
  hub = new MemoryBucket();
  app = `application-${made++}-x`;
});
/** Whatever happened: the keys are nowhere, nothing is left in staging, and what was opened is closed. */
afterEach(async () => {
  expect(hub.closed).toBe(hub.opened.length);
  expect(ground.lines.join("")).not.toMatch(new RegExp(`${KEY}|${SECRET}`));
  for (const prefix of ["uplink/", "downlink/", "hub/"]) {
    expect(await ground.core.staging.list(prefix)).toEqual([]);
  }
});

const told = ({ status, text }: Answer) => [status, text];
const post = (user: "ada" | "bob", path: string, body: unknown = BODY, headers = {}) =>
  ground[user]("POST", `/unik/images/${path}`, { body: JSON.stringify(body), headers });
const create = (user: "ada" | "bob", name = app) =>
  ground[user](
    "POST",
    `/unik/images/${name}/create?provider=docker&base=docker&lang=native&mounts=/data`,
    formOf([["tarfile", "x", "t"]]),
  );
const pushed = async (user: "ada" | "bob") => {
  await create(user);
  expect(told(await post(user, `push/${app}`))).toEqual([202, ""]);
};
const at = (user: string) => `shared/unik-hub/${user}/${app}/latest`;
const failure = (kind: ForeignFailure) => new ForeignBucketFailed(kind, "it broke off");
const FAILED = [502, `hub '${URL}': it broke off`];
const NOT_FOUND = () => [404, `image ${app} not found`];
const NOT_ALLOWED = [400, `hub '${URL}' is not allowed on this ground`];

describe("push to a hub elsewhere", () => {
  it("puts the archive there, and beside it the image as it is listed, and nothing into this ground's hub", async () => {
    await pushed("ada");
    expect([...hub.objects.keys()]).toEqual([at("ada"), `${at("ada")}.json`]);
    expect(hub.objects.get(at("ada"))?.bytes.toString()).toMatch(/^archive /);
    const image = JSON.parse((await ground.ada("GET", `/unik/images/${app}`)).text);
    expect(JSON.parse(String(hub.objects.get(`${at("ada")}.json`)?.bytes))).toEqual(image);
    expect((await ground.bob("GET", "/unik/hub/images")).text).not.toContain(app);
    expect(hub.opened).toEqual([
      {
        place: {
          host: "hub.example",
          port: 9000,
          bucket: "images",
          region: "us-east-1",
          internal: ["10.1.2.3"],
        },
        keys: { accessKey: KEY, secretKey: SECRET },
      },
    ]);
  });

  it("is done when it is answered, whatever is preferred, and again when it is asked for again", async () => {
    await create("ada");
    const headers = { prefer: "respond-async", "idempotency-key": `key-${app}` };
    for (let n = 0; n < 2; n++) {
      expect((await post("ada", `push/${app}`, BODY, headers)).status).toBe(202);
      expect(hub.objects.size).toBe(2);
    }
    expect(edge.inputs("image.export").length).toBeGreaterThan(1);
  });

  it("cut short, leaves the entry that was there, or one that is not found", async () => {
    await create("ada");
    hub.fails.set("put", failure("failed"));
    expect(told(await post("ada", `push/${app}`))).toEqual(FAILED);
    expect(hub.objects.size).toBe(0);
    hub.fails.clear();
    hub.fails.set("putSmall", failure("failed"));
    expect(told(await post("ada", `push/${app}`))).toEqual(FAILED);
    expect(told(await post("bob", `pull/${app}?provider=docker&owner=ada`))).toEqual(NOT_FOUND());
    hub.fails.clear();
    expect((await post("ada", `push/${app}`)).status).toBe(202);
    // the next one's archive has come, and what tells of it has not
    hub.fails.set("putSmall", failure("failed"));
    expect((await post("ada", `push/${app}`)).status).toBe(502);
    expect(told(await post("bob", `pull/${app}?provider=docker&owner=ada`))).toEqual(NOT_FOUND());
  });

  it("needs an image, and room for its archive", async () => {
    expect(told(await post("ada", `push/${app}`))).toEqual(NOT_FOUND());
    await create("ada");
    await ground.core.staging.put("kept/ada/unik/x", Buffer.alloc(QUOTA - 1_000_000), { maxBytes: QUOTA });
    const over = await post("ada", `push/${app}`);
    await ground.core.staging.remove("kept/ada/unik/x");
    expect([over.status, over.headers["perigee-error"]]).toEqual([507, "QUOTA_EXCEEDED"]);
    // what was kept for pushes that have ended is free again
    for (let n = 0; n < 5; n++) expect((await post("ada", `push/${app}`)).status).toBe(202);
  });
});

describe("pull from a hub elsewhere", () => {
  const pull = async (user: "ada" | "bob", query = "") =>
    told(await post(user, `pull/${app}?provider=docker${query}`));

  it("makes an image of it, as of one from this ground's", async () => {
    await pushed("ada");
    expect(await pull("bob")).toEqual([202, ""]);
    const image = JSON.parse((await ground.bob("GET", `/unik/images/${app}`)).text);
    expect(image).toMatchObject({ Name: app, Infrastructure: "DOCKER" });
    expect(image.RunSpec.DeviceMappings).toContainEqual({ MountPoint: "/data", DeviceName: "vol0" });
    expect(await pull("bob")).toEqual([
      409,
      `an image already exists with name '${app}', try again with --force`,
    ]);
    expect(await pull("bob", "&force=true")).toEqual([202, ""]);
  });

  it("the own entry comes first, then the only one; of several the owner is to be named", async () => {
    expect(await pull("bob")).toEqual(NOT_FOUND());
    await pushed("ada");
    for (const [key, { bytes, about }] of [...hub.objects]) {
      hub.objects.set(key.replace("/ada/", "/eve/"), { bytes, about });
      hub.objects.set(key.replace("/ada/", "/No User/"), { bytes, about });
    }
    expect(await pull("bob")).toEqual([409, `'${app}' is ambiguous: ada/${app}, eve/${app}`]);
    expect(await pull("bob", "&owner=zoe")).toEqual(NOT_FOUND());
    expect(await pull("bob", "&owner=..%2Fada")).toEqual(NOT_FOUND());
    expect(await pull("bob", "&owner=eve")).toEqual([202, ""]);
    expect(await pull("ada", "&force=true")).toEqual([202, ""]);
  });

  it("where the hub does not list all it has, the owner is to be named", async () => {
    await pushed("ada");
    const hint = [
      404,
      `image ${app} not found: the hub does not list all it has; name its owner with 'owner'`,
    ];
    hub.fails.set("names", failure("refused"));
    expect(await pull("bob")).toEqual(hint);
    hub.fails.clear();
    hub.lists = false;
    expect(await pull("bob")).toEqual(hint);
    expect(await pull("bob", "&owner=ada")).toEqual([202, ""]);
  });

  it("what the hub says of sizes is counted", async () => {
    await pushed("ada");
    const said = [502, `hub '${URL}': its archive is longer than it said`];
    hub.says = 5;
    expect(await pull("bob")).toEqual(said);
    hub.says = 5000;
    expect(await pull("bob")).toEqual([502, `hub '${URL}': its archive is shorter than it said`]);
    hub.says = 2 * GiB + 1;
    expect((await pull("bob"))[0]).toBe(413);
    hub.says = QUOTA + 1;
    expect((await pull("bob"))[0]).toBe(507);
    hub.says = 100;
    hub.gives = () => Readable.from(endless());
    expect(await pull("bob")).toEqual(said);
    expect((await ground.bob("GET", `/unik/images/${app}`)).status).toBe(404);
  });

  it("what breaks off, or tells of no image, makes none", async () => {
    await pushed("ada");
    hub.gives = () => Readable.from(broken());
    expect(await pull("bob")).toEqual(FAILED);
    hub.gives = undefined;
    hub.fails.set("get", failure("failed"));
    expect(await pull("bob")).toEqual(FAILED);
    hub.fails.clear();
    hub.objects.set(`${at("ada")}.json`, { bytes: Buffer.from("{}"), about: {} });
    expect(await pull("bob")).toEqual([502, `hub '${URL}': what it tells of ada/${app} is no image`]);
    expect((await ground.bob("GET", `/unik/images/${app}`)).status).toBe(404);
  });

  it("an archive that is another than it was told for is not taken; of one that nobody told of, it is", async () => {
    await pushed("ada");
    const archive = hub.objects.get(at("ada"))!;
    hub.objects.set(at("ada"), { ...archive, bytes: Buffer.from("another") });
    expect(await pull("bob")).toEqual(NOT_FOUND());
    const json = hub.objects.get(`${at("ada")}.json`)!;
    hub.objects.set(`${at("ada")}.json`, { ...json, about: {} });
    expect(await pull("bob")).toEqual([202, ""]);
  });

  it("is found again by its Idempotency-Key, which keeps nothing of the keys", async () => {
    await pushed("ada");
    const headers = { "idempotency-key": `key-${app}` };
    const one = await post("bob", `pull/${app}?provider=docker`, BODY, headers);
    const two = await post("bob", `pull/${app}?provider=docker`, { ...BODY, Password: "another" }, headers);
    expect([one.status, two.status]).toEqual([202, 202]);
    expect(two.headers["perigee-command"]).toBe(one.headers["perigee-command"]);
  });
});

it("remote-delete takes the own entry there, and no other's", async () => {
  await pushed("ada");
  expect(told(await post("bob", `remote-delete/${app}`))).toEqual(NOT_FOUND());
  expect(told(await post("bob", `remote-delete/..%2Fada%2F${app}`))[0]).toBe(404);
  expect(hub.objects.size).toBe(2);
  expect(told(await post("ada", `remote-delete/${app}`))).toEqual([202, ""]);
  expect(hub.objects.size).toBe(0);
  expect(told(await post("ada", `remote-delete/${app}`))).toEqual(NOT_FOUND());
});

describe("a hub elsewhere", () => {
  const each = () => [`push/${app}`, `pull/${app}?provider=docker`, `remote-delete/${app}`];

  it("that is not listed, or has an address that is none to connect to, is refused without its log-in", async () => {
    await create("ada");
    const other = `https://${KEY}:${SECRET}@other.example/images`;
    for (const path of each()) {
      expect(told(await post("ada", path, { URL: other }))).toEqual([
        400,
        "hub 'https://other.example/images' is not allowed on this ground",
      ]);
    }
    expect(hub.opened).toEqual([]);
    hub.fails.set("open", failure("forbidden"));
    const exported = edge.inputs("image.export").length;
    for (const path of each()) expect(told(await post("ada", path))).toEqual(NOT_ALLOWED);
    expect(edge.inputs("image.export")).toHaveLength(exported);
  });

  it("that refuses the keys, or cannot be reached, is told of in our words", async () => {
    await create("ada");
    hub.fails.set("open", failure("failed"));
    for (const path of each()) expect(told(await post("ada", path))).toEqual(FAILED);
    hub.fails.clear();
    for (const method of ["put", "getSmall", "remove"]) hub.fails.set(method, failure("refused"));
    for (const path of each()) {
      expect(told(await post("ada", path))).toEqual([403, `hub '${URL}' refuses this access key and secret`]);
    }
  });

  it("takes its keys out of the URL too, and needs both", async () => {
    await create("ada");
    const url = URL.replace("//", `//${KEY}:${SECRET}@`);
    expect((await post("ada", `push/${app}`, { URL: url })).status).toBe(202);
    expect(hub.opened[0]?.keys).toEqual({ accessKey: KEY, secretKey: SECRET });
    for (const body of [{ URL }, { URL, Username: KEY }, { URL, Password: SECRET }]) {
      const { status, text } = await post("ada", `push/${app}`, body);
      expect([status, text]).toEqual([400, expect.stringContaining("needs 'Username' and 'Password'")]);
    }
  });
});

it("nothing that the ground keeps has the keys", async () => {
  await pushed("ada");
  expect(
    (await post("bob", `pull/${app}?provider=docker`, BODY, { "idempotency-key": `k-${app}` })).status,
  ).toBe(202);
  hub.fails.set("get", failure("failed"));
  expect((await post("bob", `pull/${app}?provider=docker&force=true`)).status).toBe(502);
  const kept = filesBeneath(ground.data);
  expect(kept).toContainEqual(expect.stringMatching(/\/ledger\.sqlite$/));
  for (const path of kept) {
    // an object of staging may go meanwhile
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    const forms = [KEY, SECRET].flatMap((one) => [one, Buffer.from(one).toString("base64")]);
    expect([path, forms.filter((form) => bytes.includes(form))]).toEqual([path, []]);
  }
});

async function* endless() {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    yield Buffer.alloc(1000);
  }
}

async function* broken() {
  yield Buffer.from("arch");
  throw failure("failed");
}
