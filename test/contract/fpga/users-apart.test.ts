import { afterAll, beforeAll, expect, it } from "vitest";
import { ROUTES } from "#lambdas/dialects/fpga/routes.ts";
import { buildRawStream } from "#test/support/fpga/build-raw-stream.ts";
import { pair, register, removeImages, settled } from "./support/images.ts";
import { makeKey, revokeKey } from "./support/keys.ts";
import { BUCKET, bearer, put, removeObjects } from "./support/objects.ts";
import { other, type User, user } from "./support/session.ts";

const UUID = "0b5ee0d5-7e2f-4f6c-9a37-6f1b0f0c2a11";
const NO_ID = "0".repeat(32);
const NO_COMMAND = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const NO_KEY = `PG${"A".repeat(18)}`;

let me: User;
let they: User;
/** what the first user has */
let mine: { project: string; image: string; upload: string; key: string };
/** and sees, before the other one asks for anything */
let before: unknown;
const upload = (bucket = BUCKET) =>
  JSON.stringify({ bucket, key: "a.bin", size: 1, parts: [{ size: 1, crc32: "00000000" }] });
const told = async (who: User, method: string, target: string, body?: string) => {
  const headers = { ...bearer(who), "content-type": "application/json" };
  const { status, text } = await who.ask(method, target, { headers, ...(body !== undefined && { body }) });
  // the edge tells of it when it likes
  return { status, text: text.replace(/"reported_at":[^,}]*/, '"reported_at":null') };
};

beforeAll(async () => {
  [me, they] = await Promise.all([user(), other()]);
  await put(me, "apart.bin", buildRawStream());
  const image = await register(me, { name: "of-the-first", location: `${BUCKET}:apart.bin` });
  expect(await settled(me, image)).toMatchObject({ status: "active" });
  await me.ask("POST", `${me.base}/${image}/association`, pair(UUID));
  const { text } = await told(me, "POST", "/fpga/objects", upload());
  const { accessKey } = await makeKey(me);
  mine = { project: me.project, image, upload: JSON.parse(text).data.id, key: accessKey };
  before = await seen();
});
afterAll(async () => {
  await revokeKey(me, { accessKey: mine.key });
  await told(me, "DELETE", `/fpga/objects/${mine.upload}`);
  await removeImages(me);
  await removeObjects(me);
});

/** Everything that the first user can see of theirs. */
const seen = async () => {
  const targets = [`${me.base}/detail`, `${me.base}/associations?image_id=${UUID}`];
  const own = ["/fpga/objects", "/fpga/keys", "/fpga/container-images", `/fpga/images/${mine.image}/log`];
  const all = await Promise.all([...targets, ...own].map((target) => told(me, "GET", target)));
  return all.map(({ status, text }) => [status, text]);
};

type Ask = readonly [method: string, target: string, body?: string];
const registration = JSON.stringify({
  fpga_image: { location: `${BUCKET}:apart.bin`, name: "n", metadata: {} },
});
const named = JSON.stringify({ image: { id: UUID } });
const base = (project: string) => `/v1/${project}/cloudservers/fpga_image`;
const own = () => they.base;
const scope = (project: string) =>
  JSON.stringify({
    auth: {
      identity: {
        methods: ["password"],
        password: { user: { name: they.name, password: they.password, domain: { name: "x" } } },
      },
      scope: { project: { id: project } },
    },
  });

/** For each route what the second user asks of the first one's, and of what there is not. */
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
      ["POST", `${base(project)}/${image}/association`, named],
      ["POST", `${own()}/${image}/association`, named],
    ],
    "DELETE /v1/:project/cloudservers/fpga_image/:image/association": ({ project, image }) => [
      ["DELETE", `${base(project)}/${image}/association`, named],
      ["DELETE", `${own()}/${image}/association`, named],
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
    "DELETE /fpga/objects/:bucket/:key": () => [["DELETE", `/fpga/objects/${BUCKET}/apart.bin`]],
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
  const none = { project: NO_ID, image: NO_ID, upload: NO_COMMAND, key: NO_KEY };
  const unknown = ASKED[route]!(none);
  for (const [n, [method, target, body]] of ASKED[route]!(mine).entries()) {
    const { status, text } = await told(they, method, target, body);
    const [otherMethod, otherTarget, otherBody] = unknown[n]!;
    const other = await told(they, otherMethod, otherTarget, otherBody);
    // but for the ids that the request itself named
    const shown = Object.keys(none).reduce(
      (all, name) => all.replaceAll(mine[name as keyof typeof mine], none[name as keyof typeof none]),
      text,
    );
    expect([status, shown], `${method} ${target}`).toEqual([other.status, other.text]);
    expect(text).not.toContain("of-the-first");
  }
});

// once for all of them: there is a deployment where each request takes its time
it("what the first user has is as it was", async () => {
  expect(await seen()).toEqual(before);
});
