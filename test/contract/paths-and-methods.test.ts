import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectData, expectOk, expectRefusal } from "./support/expectations.ts";
import { EM_ROUTES } from "./support/routes.ts";
import { named, user } from "./support/session.ts";

let client: Client;
const volume = named("paths");

beforeAll(async () => {
  client = await user();
  expect((await client.uplink({ "a.txt": "a", "b.txt": "b" }, { pod_name: volume })).status).toBe(200);
});

const names = (data: { name: string }[]) => data.map(({ name }) => name);

describe("paths", () => {
  it.each(["//em/files/list", "/em/files/list/", "/em//files///list", "//em//files//list//"])(
    "%s is the list",
    async (path) => {
      const answer = await client.get(path, { pod_name: volume });
      expect(names(expectData(answer, "Successfully listed files"))).toEqual(["a.txt", "b.txt"]);
    },
  );

  it("doubled slashes and a trailing one work for POST too", async () => {
    const answer = await client.form("//em/files//delete/", { filepath: "b.txt", pod_name: volume });
    expectOk(answer, { message: "File deleted successfully" });
    const form = new FormData();
    form.append("files", new Blob(["b"]), "b.txt");
    form.append("pod_name", volume);
    expect((await client.request("POST", "//em/files/uplink/", { body: form })).status).toBe(200);
  });

  it("an unknown one is 404", async () => {
    for (const path of ["/em/nothing", "/em", "/em/files", "/em/pod/image/list/more", "/nothing"]) {
      expectRefusal(await client.get(path), 404, "NOT_FOUND");
      expectRefusal(await client.form(path, { a: 1 }), 404, "NOT_FOUND");
    }
  });

  it("letter case matters", async () => {
    expectRefusal(await client.get("/EM/nodes/status"), 404, "NOT_FOUND");
  });
});

describe("methods", () => {
  const ways = {
    "the query": (path: string) => client.request("POST", `${path}?pod_name=${volume}`),
    "a multipart form": (path: string) => client.form(path, { pod_name: volume }),
    "a url-encoded form": (path: string) => client.encoded(path, { pod_name: volume }),
    JSON: (path: string) => client.json(path, { pod_name: volume }),
  };

  it.each(Object.entries(ways))("files/list answers POST, parameters in %s", async (_way, send) => {
    const data = expectData(await send("/em/files/list"), "Successfully listed files");
    expect(names(data)).toEqual(["a.txt", "b.txt"]);
  });

  it.each(Object.entries(ways))("pod/status answers POST, parameters in %s", async (_way, send) => {
    const body = expectRefusal(await send("/em/pod/status"), 404, "POD_NOT_FOUND");
    expect(body.message).toContain(volume);
  });

  it.each(["/em/pod/image/list", "/em/nodes/status", "/em/pvc/list"])(
    "%s answers POST as GET",
    async (path) => {
      const get = await client.get(path);
      for (const send of Object.values(ways)) {
        const post = await send(path);
        expect(post.status).toBe(200);
        expect(post.json).toEqual(get.json);
      }
      expect((await client.request("POST", path)).json).toEqual(get.json);
    },
  );

  it.each(EM_ROUTES.map((route) => [route.path, route] as const))(
    "%s refuses others",
    async (path, route) => {
      const refused = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].filter(
        (method) => !(route.methods as readonly string[]).includes(method),
      );
      for (const method of refused) {
        const answer = await client.request(method, path);
        expectRefusal(answer, 405, "METHOD_NOT_ALLOWED");
        expect(answer.header("allow")?.split(", ")).toEqual(route.methods);
      }
      if (route.methods.includes("HEAD")) return;
      const head = await client.request("HEAD", path);
      expect(head.status).toBe(405);
      expect(head.header("allow")?.split(", ")).toEqual(route.methods);
    },
  );

  it.each(["/commands", "/edge", "/healthz", "/metrics", "/openapi.json", "/docs"])(
    "%s is for reading",
    async (path) => {
      for (const method of ["POST", "PUT", "DELETE"]) {
        expectRefusal(await client.request(method, path), 405, "METHOD_NOT_ALLOWED");
      }
    },
  );
});
