import { describe, expect, test } from "vitest";
import { RawConnection } from "#test/support/raw-http.ts";
import { basic, UnikClient } from "./support/client.ts";
import { me, nobody, target } from "./support/session.ts";

/** Status and body of a path that no client library touches. */
async function raw(path: string, method = "GET"): Promise<[number, string]> {
  const connection = await RawConnection.open(Number(new URL(target.ground).port));
  const head = `Host: h\r\nAuthorization: ${basic(target.user)}\r\nConnection: close\r\n`;
  await connection.write(`${method} /unik${path} HTTP/1.1\r\n${head}\r\n`);
  await connection.untilClosed();
  connection.close();
  const [top = "", body = ""] = connection.text.split("\r\n\r\n", 2);
  return [Number(/^HTTP\/1\.1 (\d+)/.exec(top)?.[1]), body];
}

const token = async () => {
  const body = new URLSearchParams({ username: target.user.name, password: target.user.password });
  const answer = await fetch(`${target.ground}/auth/`, { method: "POST", body });
  return ((await answer.json()) as { access: string }).access;
};

describe("logging in", () => {
  test("is by a user and password, by a token in the password's place, or by a bearer token", async () => {
    const access = await token();
    const ways = [
      basic(target.user),
      basic({ name: "whoever", password: access }),
      `Bearer ${access}`,
      `bAsIc ${basic(target.user).slice(6)}`,
    ];
    for (const way of ways) {
      expect(await new UnikClient(target.url, way).get("/available_providers")).toMatchObject({
        status: 200,
      });
    }
  });

  test("without it, or with a wrong one, every route is 401 and says how", async () => {
    const wrong = new UnikClient(target.url, basic({ name: target.user.name, password: "wrong" }));
    for (const [client, path] of [
      [nobody, "/images"],
      [wrong, "/images"],
      [nobody, "/nowhere"],
    ] as const) {
      const { status, text, headers } = await client.get(path);
      expect([status, text]).toEqual([401, "unauthorized: send a user and password, or an access token"]);
      expect(headers.get("www-authenticate")).toBe('Basic realm="perigee", charset="UTF-8"');
    }
  });

  test("a page of another host may not use a browser's log-in", async () => {
    for (const [name, value] of [
      ["origin", "https://evil.example"],
      ["sec-fetch-site", "cross-site"],
      ["sec-fetch-site", "same-site"],
    ] as const) {
      expect((await me.send("GET", "/images", { headers: { [name]: value } })).status).toBe(403);
    }
    expect((await me.send("GET", "/images", { headers: { origin: target.ground } })).status).toBe(200);
  });
});

describe("paths", () => {
  test("the edge may stand before the route; one that is not there and one that is not granted are the same", async () => {
    expect((await me.get(`/${target.edge}/available_providers`)).status).toBe(200);
    expect(await me.get("/nope/images")).toMatchObject({ status: 404, text: "edge 'nope' not found" });
    const both = await me.send("GET", `/${target.edge}/images`, { headers: { "perigee-edge": "nope" } });
    expect(both.status).toBe(200);
    const header = await me.send("GET", "/images", { headers: { "perigee-edge": "nope" } });
    expect(header).toMatchObject({ status: 404, text: "edge 'nope' not found" });
  });

  test.runIf(target.ownPort)("the listener of its own has the routes at its root", async () => {
    const root = new UnikClient(target.ownPort!, basic(target.user));
    // there may be more by now: those for machines, whose images another test waits for
    const { json } = await root.get("/available_compilers");
    expect(json).toEqual(expect.arrayContaining(target.compilers));
    expect((await root.get(`/${target.edge}/images`)).status).toBe(200);
    expect((await root.get("/unik/images")).status).toBe(404);
  });

  test.each([
    ["/images/", 200],
    ["//images", 404],
    ["/images/a%2Fb", 404],
    ["/images/a/b", 404],
    ["/nowhere", 404],
    ["/available_compilers?x=1", 200],
  ])("%s is %i", async (path, status) => {
    expect((await raw(path))[0]).toBe(status);
  });

  test("what is not there is 404 and never 405, and says so in its first line", async () => {
    for (const [method, path] of [
      ["PUT", "/images"],
      ["DELETE", "/instances"],
      ["POST", "/available_compilers"],
      ["GET", "/instances/run/x/y"],
    ]) {
      const [status, body] = await raw(path!, method);
      expect([method, path, status, body.split("\n")[0]]).toEqual([method, path, 404, "404 page not found"]);
      expect(body).toContain(path);
    }
  });

  test("HEAD works where GET does", async () => {
    for (const path of ["/images", "/instances", "/volumes", "/available_compilers"]) {
      expect(await me.send("HEAD", path)).toMatchObject({ status: 200, text: "" });
    }
    expect((await me.send("HEAD", "/images/nope")).status).toBe(404);
  });
});

describe("answers", () => {
  test("are JSON or plain text, never sniffed and never stored", async () => {
    const json = await me.get("/images");
    expect(json.headers.get("content-type")).toBe("application/json");
    expect(json.json).toBeInstanceOf(Array);
    expect(Date.parse(json.headers.get("perigee-as-of") ?? "")).not.toBeNaN();
    const text = await me.get("/images/nope");
    expect(text).toMatchObject({ status: 404, text: "image nope not found" });
    expect(text.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(text.headers.get("perigee-error")).toBe("IMAGE_NOT_FOUND");
    for (const { headers } of [json, text]) {
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });

  test("errors are JSON for who asks for it", async () => {
    const answer = await me.send("GET", "/volumes/nope", { headers: { accept: "application/json" } });
    expect(answer.status).toBe(404);
    expect(answer.json).toEqual({ error: "VOLUME_NOT_FOUND", message: "volume nope not found" });
  });

  test.each([
    ["GET", "/images/nope", "image nope not found"],
    ["GET", "/instances/nope", "instance nope not found"],
    ["GET", "/instances/nope/logs", "instance nope not found"],
    ["GET", "/volumes/nope", "volume nope not found"],
    ["DELETE", "/images/nope", "image nope not found"],
    ["DELETE", "/instances/nope", "instance nope not found"],
    ["DELETE", "/volumes/nope", "volume nope not found"],
    ["POST", "/instances/nope/start", "instance nope not found"],
    ["POST", "/instances/nope/stop", "instance nope not found"],
    ["POST", "/volumes/nope/detach", "volume nope not found"],
    ["POST", "/volumes/nope/attach/nope?mount=/x", "volume nope not found"],
  ])("%s %s: %s", async (method, path, text) => {
    expect(await me.send(method, path)).toMatchObject({ status: 404, text });
  });
});

describe("compilers and providers", () => {
  test("providers are names in their order", async () => {
    const { json } = await me.get("/available_providers");
    expect(json).toEqual([...json].sort());
    expect(json).toContain("docker");
    expect(new Set(target.compilers.map((name) => name.split("-").at(-1)))).toEqual(
      new Set(json.filter((name: string) => target.compilers.some((one) => one.endsWith(`-${name}`)))),
    );
    for (const name of target.compilers) expect(name.split("-")).toHaveLength(3);
  });

  test.each([
    ["", "must provide 'provider' parameter"],
    ["base=docker&lang=go", "must provide 'provider' parameter"],
    ["provider=xen&base=docker&lang=go", "xen is not a known provider. Available: "],
    ["provider=docker&lang=go", "must provide 'base' parameter"],
    ["provider=docker&base=docker", "must provide 'lang' parameter"],
    [
      "provider=docker&base=rump&lang=go",
      "base 'rump' with language 'go' is not available for provider 'docker'. Available: docker-c-docker|docker-go-docker|",
    ],
  ])("describe_compiler?%s is refused with what is wrong first", async (query, text) => {
    const answer = await me.get(`/describe_compiler?${query}`);
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(text)]);
  });

  test("a compiler that would not work here says so in its first line", async () => {
    for (const provider of ["kubernetes", "docker"]) {
      for (const lang of ["go", "java", "native"]) {
        const { status, text } = await me.get(
          `/describe_compiler?provider=${provider}&base=docker&lang=${lang}`,
        );
        const isOffered = target.compilers.includes(`docker-${lang}-${provider}`);
        expect([status, text.startsWith("NOT AVAILABLE ON THIS EDGE: ")]).toEqual([200, !isOffered]);
      }
    }
  });
});
