import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type FpgaGround,
  type PlayedAgent,
  startFpgaGround,
} from "#test/dialects/fpga/support/fpga-ground.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";

const UUIDS = ["a", "b", "c"].map((digit) => `0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a1${digit}`);
const [UUID = "", OTHER = "", UNUSED = ""] = UUIDS;
const NONE = "0".repeat(32);

let ground: FpgaGround;
let agent: PlayedAgent;
let base: string;
/** active ones, in the order of their registration */
let images: string[];
let saving: string;
beforeAll(async () => {
  ground = await startFpgaGround();
  base = ground.base();
  agent = await ground.startAgent();
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  images = [];
  for (const name of ["one", "two", "three"]) images.push(await ground.active(agent, { name }));
  saving = await ground.register({ name: "saving" });
  await ground.checked();
  for (const [image, container] of [
    [0, UUID],
    [1, UUID],
    [1, OTHER],
  ] as const) {
    const answer = await ground.ada("POST", `${base}/${images[image]}/association`, pair(container));
    expect([answer.status, answer.text, answer.headers["content-type"]]).toEqual([204, "", undefined]);
  }
});
afterAll(() => ground.stop());

const pair = (id: unknown) => ({ body: JSON.stringify({ image: { id } }) });
const error = (text: string) => (JSON.parse(text) as { error: { code: string; message: string } }).error;
type Item = { id: string; name: string };
const detail = async (query: string) =>
  JSON.parse((await ground.ada("GET", `${base}/detail?${query}`)).text) as {
    count: number;
    fpgaimages: Item[];
  };
const groups = async (query: string) => {
  const { text } = await ground.ada("GET", `${base}/associations?${query}`);
  const { associations } = JSON.parse(text) as { associations: { image_id: string; fpgaimages: Item[] }[] };
  return associations.map(({ image_id, fpgaimages }) => [image_id, fpgaimages.map(({ id }) => id)]);
};

describe("paths", () => {
  it.each([
    (at: string) => `/${at}/detail`,
    (at: string) => `${at.replaceAll("/", "//")}//detail/`,
    (at: string) => `${at}/detail/?`,
    (at: string) => `${at}/detail?`,
  ])("mean the same with more slashes, and with a bare question mark (%#)", async (target) => {
    const { status, headers, text } = await ground.ada("GET", target(base));
    expect([status, headers["content-type"], JSON.parse(text).count]).toEqual([200, "application/json", 4]);
  });

  it.each([
    ["PUT", "", "POST"],
    ["GET", "", "POST"],
    ["POST", "/detail", "GET"],
    ["PATCH", "/associations", "GET"],
    ["POST", `/${NONE}`, "DELETE"],
    ["GET", `/${NONE}`, "DELETE"],
    ["GET", `/${NONE}/association`, "DELETE, POST"],
  ])("%s %s is 405 with what may be asked", async (method, path, allow) => {
    const { status, headers, text } = await ground.ada(method, `${base}${path}`);
    expect([status, headers.allow, error(text).code]).toEqual([405, allow, "Perigee.METHOD_NOT_ALLOWED"]);
  });

  it.each(["/a/b", `/${NONE}/associations`, "/detail/x"])("%s is 404", async (path) => {
    const { status, text } = await ground.ada("GET", `${base}${path}`);
    expect([status, error(text).code]).toEqual([404, "Perigee.NOT_FOUND"]);
  });

  it("POST /v2 is 501 for who is authenticated in the project", async () => {
    const target = base.replace("/v1/", "/v2/");
    expect((await ground.send("POST", target)).status).toBe(401);
    const { status, text } = await ground.ada("POST", target, { body: "{}" });
    expect([status, error(text).code]).toEqual([501, "Perigee.NOT_IMPLEMENTED"]);
    expect((await ground.ada("POST", target.replace(ground.project().id, NONE))).status).toBe(400);
  });
});

describe("lists", () => {
  it("detail goes by the time of registration, in pages of one count", async () => {
    const ids = [...images, saving];
    const all = await detail("");
    expect([all.count, all.fpgaimages.map(({ id }) => id)]).toEqual([4, ids]);
    const page = await detail("page=02&size=3");
    expect([page.count, page.fpgaimages.map(({ id }) => id)]).toEqual([4, ids.slice(3)]);
    expect(await detail("page=65534&size=100")).toEqual({ count: 4, fpgaimages: [] });
    const one = await detail(`fpga_image_id=${images[1]}&page=0&size=x`);
    expect([one.count, one.fpgaimages.map(({ name }) => name)]).toEqual([1, ["two"]]);
    expect(await detail(`fpga_image_id=${NONE}`)).toEqual({ count: 0, fpgaimages: [] });
  });

  it("an item has the fields of the contract, and those that Perigee adds", async () => {
    const [item] = (await detail(`fpga_image_id=${images[0]}`)).fpgaimages;
    expect(item).toEqual({
      id: images[0],
      name: "one",
      description: "",
      status: "active",
      size: 1,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
      protected: true,
      message: expect.stringMatching(/^NOT_CHECKED: /),
      metadata: {},
      log_directory: "obs-fpga:fpga-log",
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      format: "xilinx-bin-be",
    });
  });

  it("associations are groups of pairs, the latest registration first, in pages of pairs", async () => {
    const [one, two, three] = images;
    expect(await groups("")).toEqual([]);
    expect(await groups(`image_id=${UUID}`)).toEqual([[UUID, [two, one]]]);
    expect(await groups(`image_id=${UUID}&page=2&size=1`)).toEqual([[UUID, [one]]]);
    expect(await groups(`image_id=${UNUSED}`)).toEqual([]);
    expect((await groups(`fpga_image_id=${two}`)).toSorted()).toEqual(
      [UUID, OTHER].map((id) => [id, [two]]).toSorted(),
    );
    expect(await groups(`fpga_image_id=${two}&page=1&size=1`)).toHaveLength(1);
    expect(await groups(`fpga_image_id=${three}`)).toEqual([]);
    expect(await groups(`fpga_image_id=${two}&image_id=${OTHER}&page=0`)).toEqual([[OTHER, [two]]]);
    expect(await groups(`fpga_image_id=${one}&image_id=${OTHER}`)).toEqual([]);
  });
});

describe("refusals", () => {
  const tenant = (id: string) => `tenant [${ground.project().id}] fpga image [${id}]`;
  const asked = async (method: string, path: string, sent = {}, user = "ada") => {
    const { status, headers, text } = await ground.as(user)(method, `${ground.base(user)}${path}`, sent);
    expect(headers["content-type"]).toBe("application/json");
    const { code, message } = error(text);
    return [status, code, message];
  };

  it("of an unknown image are one answer, whoever's it is", async () => {
    for (const id of [NONE, await ground.register({}, "bob")]) {
      const unknown = [404, "Ecs.0031", `${tenant(id)} doesn't exist`];
      expect(await asked("DELETE", `/${id}`)).toEqual(unknown);
      expect(await asked("POST", `/${id}/association`, pair(UUID))).toEqual(unknown);
      expect(await asked("DELETE", `/${id}/association`, pair(UUID))).toEqual(unknown);
      expect(await asked("GET", `/associations?fpga_image_id=${id}`)).toEqual(unknown);
      expect(await asked("GET", `/associations?fpga_image_id=${id}&image_id=${UUID}`)).toEqual(unknown);
    }
  });

  it("of pairs and states have their texts", async () => {
    const id = images[0]!;
    const related = `tenant [${ground.project().id}] relate fpga image [${id}] and image [${UUID}] failed: relation already exist or the related fpga image count of image reach the max limit`;
    expect(await asked("POST", `/${id}/association`, pair(UUID))).toEqual([400, "Ecs.0005", related]);
    const unrelated = `${tenant(id)} is not related to image [${UNUSED}]`;
    expect(await asked("DELETE", `/${id}/association`, pair(UNUSED))).toEqual([404, "Ecs.0031", unrelated]);
    expect(await asked("DELETE", `/${id}`)).toEqual([400, "Ecs.0005", `${tenant(id)} is protected`]);
    const inactive = [400, "Ecs.0032", "The image is not in Active state."];
    expect(await asked("POST", `/${saving}/association`, pair(UUID))).toEqual(inactive);
  });

  it.each([undefined, null, 7, UUID.toUpperCase(), UUID.replaceAll("-", ""), `${UUID}\n`, "", [UUID]])(
    "of the container image %j name it",
    async (id) => {
      for (const method of ["POST", "DELETE"]) {
        const [status, code, message] = await asked(method, `/${images[0]}/association`, pair(id));
        expect([status, code]).toEqual([400, "Ecs.0005"]);
        expect(message).toContain("image.id");
      }
    },
  );

  it("of an empty body are the same for all that take one", async () => {
    const blank = [400, "Common.0002", "The request body cannot be left blank."];
    expect(await asked("POST", "")).toEqual(blank);
    for (const method of ["POST", "DELETE"]) {
      expect(await asked(method, `/${images[0]}/association`)).toEqual(blank);
    }
  });

  it("come in the order of the contract", async () => {
    // route, method, authentication, project, path id, query or body, existence, state
    const other = base.replace(ground.project().id, NONE);
    const bare = async (method: string, target: string) => (await ground.send(method, target)).status;
    expect(await bare("GET", `${other}/a/b`)).toBe(404);
    expect(await bare("PUT", `${other}/x`)).toBe(405);
    expect(await bare("DELETE", `${other}/x`)).toBe(401);
    const mine = async (method: string, target: string, sent = {}) =>
      error((await ground.ada(method, target, sent)).text).code;
    expect(await mine("DELETE", `${other}/x`)).toBe("Common.0018");
    expect(await mine("POST", `${base}/x/association`, { body: "" })).toBe("Ecs.0005");
    expect(await mine("POST", `${base}/${NONE}/association`, { body: "" })).toBe("Common.0002");
    expect(await mine("POST", `${base}/${NONE}/association`, pair(UUID))).toBe("Ecs.0031");
    expect(await mine("POST", other, { body: "" })).toBe("Common.0018");
  });

  it("of ids that are none are 400", async () => {
    for (const id of ["x", NONE.slice(1), `${NONE}0`, NONE.replace("0", "A")]) {
      expect((await asked("DELETE", `/${id}`)).slice(0, 2)).toEqual([400, "Ecs.0005"]);
    }
  });
});

it("a deletion takes a body of no bytes, and one that is asked for again is done", async () => {
  const id = images[2]!;
  for (let n = 0; n < 2; n++) {
    const answer = await ground.ada("DELETE", `${base}/${id}`, { headers: { "content-length": "0" } });
    expect([answer.status, answer.text]).toEqual([204, ""]);
  }
  expect(await ground.detail(id)).toMatchObject({ status: "deleting" });
});

it("registrations that together take more than the quota are refused with what is left of it", async () => {
  const content = buildRawStream();
  const small = await startFpgaGround({ quota: 3 * content.length });
  try {
    await small.put("obs-fpga", "fpga.bin", content);
    const body = JSON.stringify({ fpga_image: { location: "obs-fpga:fpga.bin", name: "n", metadata: {} } });
    const ask = () => small.ada("POST", small.base(), { body });
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 200]);
    const { status, text } = await ask();
    const message = `The object has ${content.length} bytes, and 0 of the byte quota are left`;
    expect([status, error(text)]).toEqual([400, { code: "Ecs.0001", message }]);
    const { text: listed } = await small.ada("GET", `${small.base()}/detail`);
    expect(JSON.parse(listed)).toMatchObject({ count: 2 });
    const pins = new Set((await small.ground.staging.list("fpga/")).map(({ key }) => key));
    expect(pins.size).toBe(2);
  } finally {
    await small.stop();
  }
});
