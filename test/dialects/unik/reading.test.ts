import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROUTES } from "#lambdas/dialects/unik/routes.ts";
import { basic, PASSWORD, startUnikGround, type UnikGround } from "./support/unik-ground.ts";

let ground: UnikGround;
beforeAll(async () => {
  ground = await startUnikGround({ port: 0 });
  const agent = await ground.startAgent();
  await agent.volumes("ada", [{ name: "data", size: 3 * 1024 * 1024 + 1, created: 1_700_000_000_123 }]);
});
afterAll(() => ground.stop());

const status = async (...of: Parameters<UnikGround["send"]>) => (await ground.send(...of)).status;

describe("who asks", () => {
  const asked = (authorization: string) => status("GET", "/unik/images", { headers: { authorization } });

  it("is told by a password, or by an access token in one of three forms", async () => {
    const token = await ground.token("ada");
    expect(await asked(basic("ada", PASSWORD))).toBe(200);
    expect(await asked(basic("ada", PASSWORD))).toBe(200);
    expect(await asked(basic("whoever", token))).toBe(200);
    expect(await asked(`bearer ${token}`)).toBe(200);
  });

  it.each([
    ["nothing", {}],
    ["another password", { authorization: basic("ada", "wrong") }],
    ["no such token", { authorization: basic("ada", "a.b.c") }],
    ["no base 64", { authorization: "Basic ä" }],
  ])("is 401 with %s", async (_what, headers) => {
    const { status, headers: told, text } = await ground.send("GET", "/unik/images", { headers });
    expect([status, told["www-authenticate"], told["content-type"], text]).toEqual([
      401,
      'Basic realm="perigee", charset="UTF-8"',
      "text/plain; charset=utf-8",
      "unauthorized: send a user and password, or an access token",
    ]);
  });

  it("is not found out by trying: failed attempts are throttled as those of the log-in", async () => {
    const other = await startUnikGround();
    try {
      const asked = async () => {
        const headers = { authorization: basic("ada", "wrong") };
        const { status, headers: told } = await other.send("GET", "/unik/images", { headers });
        return [status, told["perigee-error"], Number(told["retry-after"]) > 0];
      };
      const answers: unknown[][] = [];
      for (let n = 0; n < 30 && answers.at(-1)?.[0] !== 429; n++) answers.push(await asked());
      expect(answers.at(-1)).toEqual([429, "TOO_MANY_ATTEMPTS", true]);
      const body = new URLSearchParams({ username: "ada", password: PASSWORD }).toString();
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      expect((await other.send("POST", "/auth/", { headers, body })).status).toBe(429);
    } finally {
      await other.stop();
    }
  });

  it.each<Record<string, string>>([
    { origin: "https://evil.example" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ])("is no page of another host: %j", async (headers) => {
    const answer = await ground.ada("GET", "/unik/images", { headers });
    expect([answer.status, answer.headers["perigee-error"]]).toEqual([403, "FOREIGN_ORIGIN"]);
  });

  it("may be a page of the ground's own", async () => {
    const { host } = new URL(ground.url);
    expect((await ground.ada("GET", "/unik/images", { headers: { origin: `http://${host}` } })).status).toBe(
      200,
    );
  });
});

describe("paths", () => {
  it.each(["/unik/images", "/unik/images/", "/unik/em1/images", "/unik/em1/images/"])(
    "%s is one",
    async (path) => {
      const { status, headers, text } = await ground.ada("GET", path);
      expect([status, headers["content-type"], text]).toEqual([200, "application/json", "[]"]);
      expect([headers["x-content-type-options"], headers["cache-control"]]).toEqual(["nosniff", "no-store"]);
      expect(headers["perigee-as-of"]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    },
  );

  it.each([
    ["GET", "/unik"],
    ["GET", "/unik/"],
    ["GET", "/unik//images"],
    ["GET", "//unik/images"],
    ["GET", "/unik/images/a%2Fb"],
    ["GET", "/unik/images/a/b/c"],
    ["PUT", "/unik/images"],
    ["DELETE", "/unik/images"],
    ["GET", "/unik/sign"],
  ])("%s %s is 404", async (method, path) => {
    const { status, headers, text } = await ground.ada(method, path);
    expect([status, headers["content-type"], text.split("\n")[0]]).toEqual([
      404,
      "text/plain; charset=utf-8",
      "404 page not found",
    ]);
  });

  it("an edge that is not granted or not there is the same", async () => {
    const { status, text } = await ground.ada("GET", "/unik/em2/images");
    expect([status, text]).toEqual([404, "edge 'em2' not found"]);
    const inHeader = { headers: { "perigee-edge": "em2" } };
    expect((await ground.ada("GET", "/unik/images", inHeader)).text).toBe("edge 'em2' not found");
    expect((await ground.ada("GET", "/unik/em1/images", inHeader)).status).toBe(200);
  });

  it("HEAD is GET without its body", async () => {
    const { status, headers, text } = await ground.ada("HEAD", "/unik/images");
    expect([status, headers["content-type"], text]).toEqual([200, "application/json", ""]);
  });

  it("a listener of its own has the routes at its root", async () => {
    const headers = { authorization: basic("ada", PASSWORD) };
    const at = (path: string) => ground.send("GET", path, { headers }, ground.ownUrl);
    expect([(await at("/images")).text, (await at("/em1/volumes/")).status]).toEqual(["[]", 200]);
    expect([(await at("//images")).status, (await at("/unik/em1/images")).status]).toEqual([404, 404]);
    expect((await ground.send("GET", "/images", {}, ground.ownUrl)).status).toBe(401);
  });
});

it("every route is in the document, once", async () => {
  const { paths } = JSON.parse((await ground.send("GET", "/openapi.json")).text) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const own = Object.entries(paths).filter(([path]) => path.startsWith("/unik/"));
  const ids = own.flatMap(([, methods]) => Object.values(methods).map(({ operationId }) => operationId));
  expect([ids.length, new Set(ids).size]).toEqual([ROUTES.length, ROUTES.length]);
});

describe("errors", () => {
  it.each(["image", "instance", "volume"])("an %s that is not there", async (kind) => {
    const { status, text, headers } = await ground.bob("GET", `/unik/${kind}s/x%20y`);
    expect([status, text]).toEqual([404, `${kind} x y not found`]);
    expect(headers["perigee-error"]).toMatch(/_NOT_FOUND$/);
  });

  it("JSON is for who asks for it", async () => {
    const headers = { accept: "text/plain, application/json;q=0.5" };
    const { headers: told, text } = await ground.ada("GET", "/unik/images/x", { headers });
    expect([told["content-type"], JSON.parse(text)]).toEqual([
      "application/json",
      { error: "IMAGE_NOT_FOUND", message: "image x not found" },
    ]);
  });
});

describe("compilers and providers", () => {
  const text = async (path: string) => (await ground.ada("GET", `/unik/${path}`)).text;

  it("lists hold what works, sorted", async () => {
    expect(JSON.parse(await text("available_providers"))).toEqual(["docker", "qemu"]);
    expect(JSON.parse(await text("available_compilers"))).toEqual([
      "baremetal-c-qemu",
      "docker-native-docker",
    ]);
  });

  it.each([
    ["", 400, "must provide 'provider' parameter"],
    ["provider=xen", 400, "xen is not a known provider. Available: docker|qemu"],
    ["provider=qemu", 400, "must provide 'base' parameter"],
    ["provider=qemu&base=rump", 400, "must provide 'lang' parameter"],
    [
      "provider=qemu&base=rump&lang=go",
      400,
      "base 'rump' with language 'go' is not available for provider 'qemu'. Available: baremetal-c-qemu|linux-c-qemu|linux-go-qemu|linux-native-qemu|linux-nodejs-qemu|linux-python-qemu",
    ],
    ["provider=docker&base=docker&lang=native", 200, "\nHOW TO PREPARE APPLICATION\t\nA Dockerfile.\n"],
    [
      "provider=docker&base=docker&lang=c",
      200,
      "NOT AVAILABLE ON THIS EDGE: no C image\n\nHOW TO PREPARE APPLICATION\t\nC.\n",
    ],
    [
      "provider=kubernetes&base=docker&lang=go",
      200,
      "NOT AVAILABLE ON THIS EDGE: its agent has no such compiler\n<missing compiler description>",
    ],
  ])("describe_compiler?%s", async (query, status, wanted) => {
    const answer = await ground.ada("GET", `/unik/describe_compiler?${query}`);
    expect([answer.status, answer.headers["content-type"], answer.text]).toEqual([
      status,
      "text/plain; charset=utf-8",
      wanted,
    ]);
  });
});

describe("volumes of the user's that another API has made", () => {
  it("are listed, and are nobody else's", async () => {
    const wanted = {
      Id: "data",
      Name: "data",
      SizeMb: 4,
      Attachment: "",
      Infrastructure: "DOCKER",
      Created: "2023-11-14T22:13:20.123Z",
    };
    expect(JSON.parse((await ground.ada("GET", "/unik/volumes")).text)).toEqual([wanted]);
    expect(JSON.parse((await ground.ada("GET", "/unik/volumes/da")).text)).toEqual(wanted);
    expect((await ground.bob("GET", "/unik/volumes")).text).toBe("[]");
  });
});
