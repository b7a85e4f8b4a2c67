import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { detail as imageOf, listed, pair, register, removeImages, settled } from "./support/images.ts";
import { BUCKET, put, removeObjects } from "./support/objects.ts";
import { bare, other, type User, user } from "./support/session.ts";

const UUIDS = ["a", "b", "c"].map((digit) => `0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a1${digit}`);
const [UUID = "", OTHER = "", UNUSED = ""] = UUIDS;
const NONE = "0".repeat(32);

let me: User;
let they: User;
let base: string;
/** active ones, in the order of their registration */
let images: string[];
/** of an object that does not exist */
let failed: string;
beforeAll(async () => {
  [me, they] = await Promise.all([user(), other()]);
  base = me.base;
  await put(me, "routes.bin", buildRawStream());
  images = [];
  for (const name of ["one", "two", "three"]) {
    images.push(await register(me, { name, location: `${BUCKET}:routes.bin` }));
  }
  failed = await register(me, { name: "failed" });
  for (const id of images) expect(await settled(me, id)).toMatchObject({ status: "active" });
  for (const [image, container] of [
    [0, UUID],
    [1, UUID],
    [1, OTHER],
  ] as const) {
    const answer = await me.ask("POST", `${base}/${images[image]}/association`, pair(container));
    expect([answer.status, answer.text, answer.headers["content-type"]]).toEqual([204, "", undefined]);
  }
});
afterAll(async () => {
  for (const one of [me, they]) await removeImages(one);
  await removeObjects(me);
});

const error = (text: string) => (JSON.parse(text) as { error: { code: string; message: string } }).error;
const detail = (query: string) => listed(me, query);
const groups = async (query: string) => {
  const { text } = await me.ask("GET", `${base}/associations?${query}`);
  const { associations } = JSON.parse(text) as {
    associations: { image_id: string; fpgaimages: { id: string }[] }[];
  };
  return associations.map(({ image_id, fpgaimages }) => [image_id, fpgaimages.map(({ id }) => id)]);
};

describe("paths", () => {
  it.each([
    (at: string) => `/${at}/detail`,
    (at: string) => `${at.replaceAll("/", "//")}//detail/`,
    (at: string) => `${at}/detail/?`,
    (at: string) => `${at}/detail?`,
  ])("mean the same with more slashes, and with a bare question mark (%#)", async (target) => {
    const { status, headers, text } = await me.ask("GET", target(base));
    expect([status, headers["content-type"], JSON.parse(text).count]).toEqual([200, "application/json", 4]);
  });

  it.each([
    ["PUT", "", "POST"],
    ["GET", "", "POST"],
    ["POST", "/detail", "GET"],
    ["DELETE", "/detail", "GET"],
    ["PUT", "/associations", "GET"],
    ["PATCH", "/associations", "GET"],
    ["POST", `/${NONE}`, "DELETE"],
    ["GET", `/${NONE}`, "DELETE"],
    ["GET", `/${NONE}/association`, "DELETE, POST"],
  ])("%s %s is 405 with what may be asked", async (method, path, allow) => {
    const { status, headers, text } = await me.ask(method, `${base}${path}`);
    expect([status, headers.allow, error(text).code]).toEqual([405, allow, "Perigee.METHOD_NOT_ALLOWED"]);
  });

  it("a project of dots leads nowhere", async () => {
    const { status } = await me.ask("DELETE", `${base.replace(me.project, "%2e%2e")}/${NONE}`);
    expect(status).toBe(404);
  });

  it.each(["/a/b", `/${NONE}/associations`, "/detail/x"])("%s is 404", async (path) => {
    const { status, text } = await me.ask("GET", `${base}${path}`);
    expect([status, error(text).code]).toEqual([404, "Perigee.NOT_FOUND"]);
  });

  it("POST /v2 is 501 for who is authenticated in the project", async () => {
    const target = base.replace("/v1/", "/v2/");
    expect((await bare("POST", target)).status).toBe(401);
    const { status, text } = await me.ask("POST", target, { body: "{}" });
    expect([status, error(text).code]).toEqual([501, "Perigee.NOT_IMPLEMENTED"]);
    expect((await me.ask("POST", target.replace(me.project, NONE))).status).toBe(400);
  });
});

describe("lists", () => {
  it("detail goes by the time of registration, in pages of one count", async () => {
    const ids = [...images, failed];
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
      message: expect.toSatisfy((text) => text === null || /^NOT_CHECKED: ./.test(text)),
      metadata: {},
      log_directory: `${BUCKET}:fpga-log`,
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
  const tenant = (id: string) => `tenant [${me.project}] fpga image [${id}]`;
  const asked = async (method: string, path: string, sent = {}) => {
    const { status, headers, text } = await me.ask(method, `${base}${path}`, sent);
    expect(headers["content-type"]).toBe("application/json");
    const { code, message } = error(text);
    return [status, code, message];
  };

  it("of an unknown image are one answer, whoever's it is", async () => {
    for (const id of [NONE, await register(they)]) {
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
    const related = `tenant [${me.project}] relate fpga image [${id}] and image [${UUID}] failed: relation already exist or the related fpga image count of image reach the max limit`;
    expect(await asked("POST", `/${id}/association`, pair(UUID))).toEqual([400, "Ecs.0005", related]);
    const unrelated = `${tenant(id)} is not related to image [${UNUSED}]`;
    expect(await asked("DELETE", `/${id}/association`, pair(UNUSED))).toEqual([404, "Ecs.0031", unrelated]);
    expect(await asked("DELETE", `/${id}`)).toEqual([400, "Ecs.0005", `${tenant(id)} is protected`]);
    const inactive = [400, "Ecs.0032", "The image is not in Active state."];
    expect(await asked("POST", `/${failed}/association`, pair(UUID))).toEqual(inactive);
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

  it("of credentials that are none, and of a project that is not the caller's, are one answer each", async () => {
    const invalid = { code: "Common.0013", message: "Invalid token." };
    const none: Record<string, string>[] = [
      {},
      { "x-auth-token": "x" },
      { authorization: "SDK-HMAC-SHA256 x" },
    ];
    for (const headers of none) {
      const { status, text } = await bare("GET", `${base}/detail`, { headers });
      expect([status, error(text)]).toEqual([401, invalid]);
    }
    const message = "The project ID in the URL is different from that in the token.";
    for (const project of [they.project, NONE, "x"]) {
      const { status, text } = await me.ask("GET", `${base.replace(me.project, project)}/detail`);
      expect([status, error(text)]).toEqual([400, { code: "Common.0018", message }]);
    }
  });

  it("of an empty body are the same for all that take one", async () => {
    const blank = [400, "Common.0002", "The request body cannot be left blank."];
    expect(await asked("POST", "")).toEqual(blank);
    for (const method of ["POST", "DELETE"]) {
      expect(await asked(method, `/${images[0]}/association`)).toEqual(blank);
    }
  });

  it("come in the order of the contract", async () => {
    // route, method, authentication, project, path id, query or body, existence, state
    const other = base.replace(me.project, NONE);
    const nobody = async (method: string, target: string) => (await bare(method, target)).status;
    expect(await nobody("GET", `${other}/a/b`)).toBe(404);
    expect(await nobody("PUT", `${other}/x`)).toBe(405);
    expect(await nobody("DELETE", `${other}/x`)).toBe(401);
    const mine = async (method: string, target: string, sent = {}) =>
      error((await me.ask(method, target, sent)).text).code;
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

it("a deletion takes a body of no bytes, and goes on until nothing is there", async () => {
  const id = images[2]!;
  const remove = () => me.ask("DELETE", `${base}/${id}`, { headers: { "content-length": "0" } });
  const answer = await remove();
  expect([answer.status, answer.text]).toEqual([204, ""]);
  await expect.poll(() => imageOf(me, id)).toBeUndefined();
  expect((await remove()).status).toBe(404);
});
