import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectInvalid } from "./support/expectations.ts";
import { list } from "./support/listing.ts";
import { user } from "./support/session.ts";

const BAD = [
  "A",
  "a_b",
  "1a",
  "-a",
  "a-",
  "a.b",
  "a b",
  " a",
  "ä",
  "a/b",
  "..",
  "a\n",
  "a".repeat(64),
  "default\0",
];

let client: Client;

beforeAll(async () => {
  client = await user();
});

describe("pod_name and pvc_name", () => {
  it.each(["a", "a1", "a-b", "pod-a", "experiment-radiation", "a".repeat(63)])("%s is one", async (name) => {
    expect(await list(client, name)).toBeInstanceOf(Array);
  });

  it.each(BAD)("%j is none, on every route", async (bad) => {
    for (const field of ["pod_name", "pvc_name"]) {
      const send = (path: string, fields: object = {}) => client.json(path, { ...fields, [field]: bad });
      expectInvalid(await send("/em/files/list"), field);
      expectInvalid(await client.get("/em/files/downlink", { filepath: "a", [field]: bad }), field);
      expectInvalid(await send("/em/files/delete", { filepath: "a" }), field);
      const build = { dockerfile: "a", context: "b", image: "c" };
      expectInvalid(await send("/em/pod/image/build", build), field);
      expectInvalid(await send("/em/pod/image/load", { tarfile: "a", image: "c" }), field);
      expectInvalid(await send("/em/pod/run", { image: "a", node: "MPU", max_duration: 1 }), field);
      expectInvalid(await send("/em/pvc/delete"), field);
    }
    expectInvalid(await client.json("/em/pod/status", { pod_name: bad }), "pod_name");
    expectInvalid(await client.json("/em/pod/stop", { pod_name: bad }), "pod_name");
    expectInvalid(await client.get("/em/pod/logs", { pod_name: bad }), "pod_name");
  });

  it("the message tells the rule", async () => {
    const { message } = expectInvalid(await client.get("/em/files/list", { pod_name: "A" }), "pod_name");
    expect(message).toMatch(/lower-case/);
    expect(message).toMatch(/63/);
  });

  it("is one value, not a list or an object", async () => {
    for (const pod_name of [["a", "b"], { a: 1 }]) {
      expectInvalid(await client.json("/em/files/list", { pod_name }), "pod_name");
    }
  });
});
