import { afterAll, beforeAll, expect, it } from "vitest";
import { ROUTES } from "#lambdas/dialects/fpga/routes.ts";
import { containerImageId } from "#lambdas/fields/container-image-id.ts";
import {
  type FpgaGround,
  PASSWORD,
  type PlayedAgent,
  startFpgaGround,
} from "#test/dialects/fpga/support/fpga-ground.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";

const UUID = "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11";
const NO_ID = "0".repeat(32);
const NO_COMMAND = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const NO_KEY = `PG${"A".repeat(18)}`;

let ground: FpgaGround;
let agent: PlayedAgent;
/** what ada has */
let ada: { project: string; image: string; upload: string; key: string };
const upload = (bucket = "obs-fpga") =>
  JSON.stringify({ bucket, key: "a.bin", size: 1, parts: [{ size: 1, crc32: "00000000" }] });
const told = async (user: string, method: string, target: string, body?: string) => {
  const headers = { authorization: `Bearer ${ground.token(user)}`, "content-type": "application/json" };
  const { status, text } = await ground.send(method, target, {
    headers,
    ...(body !== undefined && { body }),
  });
  return { status, text, json: text.startsWith("{") ? JSON.parse(text) : undefined };
};

beforeAll(async () => {
  ground = await startFpgaGround();
  agent = await ground.startAgent();
  await ground.put("obs-fpga", "fpga.bin", buildRawStream());
  const image = await ground.active(agent, { name: "of-ada" });
  await told("ada", "POST", `${ground.base()}/${image}/association`, JSON.stringify({ image: { id: UUID } }));
  const { json } = await told("ada", "POST", "/fpga/objects", upload());
  const { accessKey } = await ground.parts.keys.create(ground.project(), Date.now());
  const images = [{ name: "app", tag: "2", id: "i", size: 1, created: 0 }];
  await ground.tell("inventory", {
    ...{ epoch: agent.epoch, user: "ada", images, volumes: [], truncated: false },
  });
  ada = { project: ground.project().id, image, upload: json.data.id, key: accessKey };
});
afterAll(() => ground.stop());

/** Everything that ada can see of hers. */
const seen = async () => {
  const targets = [`${ground.base()}/detail`, `${ground.base()}/associations?image_id=${UUID}`];
  const own = ["/fpga/objects", "/fpga/keys", "/fpga/container-images", `/fpga/images/${ada.image}/log`];
  const all = await Promise.all([...targets, ...own].map((target) => told("ada", "GET", target)));
  return all.map(({ status, text }) => [status, text]);
};

type Ask = readonly [method: string, target: string, body?: string];
const registration = JSON.stringify({
  fpga_image: { location: "obs-fpga:fpga.bin", name: "n", metadata: {} },
});
const pair = JSON.stringify({ image: { id: UUID } });
const base = (project: string) => `/v1/${project}/cloudservers/fpga_image`;
const own = () => base(ground.project("bob").id);
const scope = (project: string) =>
  JSON.stringify({
    auth: {
      identity: {
        methods: ["password"],
        password: { user: { name: "bob", password: PASSWORD, domain: { name: "x" } } },
      },
      scope: { project: { id: project } },
    },
  });

/** For each route what bob asks of ada's, and of what there is not. */
const ASKED: Record<string, (of: { project: string; image: string; upload: string; key: string }) => Ask[]> =
  {
    "POST /v1/:project/cloudservers/fpga_image": ({ project }) => [["POST", base(project), registration]],
    "GET /v1/:project/cloudservers/fpga_image/detail": ({ project, image }) => [
      ["GET", `${base(project)}/detail`],
      ["GET", `${own()}/detail?fpga_image_id=${image}`],
    ],
    "GET /v1/:project/cloudservers/fpga_image/associations": ({ project, image }) => [
      ["GET", `${base(project)}/associations?image_id=${UUID}`],
      ["GET", `${own()}/associations?image_id=${UUID}`],
      ["GET", `${own()}/associations?fpga_image_id=${image}`],
    ],
    "DELETE /v1/:project/cloudservers/fpga_image/:image": ({ project, image }) => [
      ["DELETE", `${base(project)}/${image}`],
      ["DELETE", `${own()}/${image}`],
    ],
    "POST /v1/:project/cloudservers/fpga_image/:image/association": ({ project, image }) => [
      ["POST", `${base(project)}/${image}/association`, pair],
      ["POST", `${own()}/${image}/association`, pair],
    ],
    "DELETE /v1/:project/cloudservers/fpga_image/:image/association": ({ project, image }) => [
      ["DELETE", `${base(project)}/${image}/association`, pair],
      ["DELETE", `${own()}/${image}/association`, pair],
    ],
    "POST /v2/:project/cloudservers/fpga_image": ({ project }) => [
      ["POST", base(project).replace("v1", "v2"), "{}"],
    ],
    "POST /v3/auth/tokens": ({ project }) => [["POST", "/v3/auth/tokens", scope(project)]],
    "GET /v3/projects": () => [["GET", "/v3/projects"]],
    "POST /fpga/objects": () => [["POST", "/fpga/objects", upload("A")]],
    "GET /fpga/objects": () => [["GET", "/fpga/objects"]],
    "POST /fpga/objects/:id/parts": ({ upload }) => [["POST", `/fpga/objects/${upload}/parts`]],
    "POST /fpga/objects/:id/complete": ({ upload }) => [["POST", `/fpga/objects/${upload}/complete`]],
    "DELETE /fpga/objects/:id": ({ upload }) => [["DELETE", `/fpga/objects/${upload}`]],
    "DELETE /fpga/objects/:bucket/:key": () => [["DELETE", "/fpga/objects/obs-fpga/fpga.bin"]],
    "GET /fpga/images/:id/log": ({ image }) => [["GET", `/fpga/images/${image}/log`]],
    "GET /fpga/container-images": () => [["GET", "/fpga/container-images"]],
    "POST /fpga/keys": () => [],
    "GET /fpga/keys": () => [["GET", "/fpga/keys"]],
    "DELETE /fpga/keys/:key": ({ key }) => [["DELETE", `/fpga/keys/${key}`]],
  };

it("every route is asked", () => {
  expect(Object.keys(ASKED)).toEqual(ROUTES.map(([method, path]) => `${method} ${path}`));
});

it.each(Object.keys(ASKED))("%s tells another user as much as of what there is not", async (route) => {
  const before = await seen();
  const none = { project: NO_ID, image: NO_ID, upload: NO_COMMAND, key: NO_KEY };
  const unknown = ASKED[route]!(none);
  for (const [n, [method, target, body]] of ASKED[route]!(ada).entries()) {
    const { status, text } = await told("bob", method, target, body);
    const [otherMethod, otherTarget, otherBody] = unknown[n]!;
    const other = await told("bob", otherMethod, otherTarget, otherBody);
    // but for the ids that the request itself named
    const shown = Object.keys(none).reduce(
      (all, name) => all.replaceAll(ada[name as keyof typeof ada], none[name as keyof typeof none]),
      text,
    );
    expect([status, shown], `${method} ${target}`).toEqual([other.status, other.text]);
    expect(text).not.toContain("of-ada");
  }
  expect(await seen()).toEqual(before);
});

it("a user's container images have the ids by which they are associated", async () => {
  const { json } = await told("ada", "GET", "/fpga/container-images");
  expect(json).toMatchObject({
    project_id: ada.project,
    reported_at: expect.stringMatching(/Z$/),
    data: [{ image: "app:2", image_id: containerImageId(ada.project, "ada", "app:2") }],
  });
  const other = await told("bob", "GET", "/fpga/container-images");
  expect(other.json).toMatchObject({ data: [], reported_at: null });
  // the same name is another image for another user
  expect(containerImageId(ground.project("bob").id, "bob", "app:2")).not.toBe(json.data[0].image_id);
});
