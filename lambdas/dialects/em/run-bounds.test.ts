import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EmServer } from "#test/support/em-server.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());

const RUN = { image: "python:3.11-alpine", max_duration: "30", node: "MPU" };
const last = () => em.dispatch.requests.at(-1);

const many = (items: number) => Object.fromEntries(Array.from({ length: items }, (_, i) => [`K${i}`, "x"]));

describe("the bounds of pod/run", () => {
  test("takes what is just within the bounds of its lists", async () => {
    const lists = {
      ports: JSON.stringify(Array(64).fill(80)),
      args: JSON.stringify(Array(4096).fill("x")),
      envs: JSON.stringify(many(1000)),
    };
    expect((await em.form("/em/pod/run", { ...RUN, ...lists })).status).toBe(200);
    expect(last()!.input).toMatchObject({ args: { length: 4096 }, envs: { K999: "x" } });
  });

  test.each<[string, Record<string, string | string[]>]>([
    ["pod_name: must be at most 63 bytes", { pod_name: "x".repeat(64) }],
    ["pvc_name: must be at most 63 bytes", { pvc_name: "x".repeat(10_000) }],
    ["image: must be at most", { image: "x".repeat(1000) }],
    ["max_duration: must be at most 256 bytes", { max_duration: " ".repeat(256) + 1 }],
    ["node: must be at most 256 bytes", { node: `MPU${" ".repeat(254)}` }],
    ["scheduled_time: must be at most 256 bytes", { scheduled_time: "0".repeat(257) }],
    ["command: must be at most 131072 bytes", { command: "x".repeat(131_073) }],
    ["command: must be at most 4096 words", { command: "x ".repeat(4097) }],
    ["args: must be at most 4096 arguments", { args: JSON.stringify(Array(4097).fill("")) }],
    ["args: must be at most 4096 arguments", { "args[]": Array(4097).fill("x") }],
    ["envs: must be at most 1000 variables", { envs: JSON.stringify(many(1001)) }],
    ["ports: must be at most 64 ports", { ports: JSON.stringify(Array(65).fill(80)) }],
    ["ports: must be at most 64 ports", { ports: Array(65).fill("80") }],
    ["ports: must be at most 65536 bytes", { ports: `[${"80,".repeat(30_000)}]` }],
    ["envs", { envs: "{'A': 1, 'A': 2}" }],
    ["envs", { envs: "{'A': '\\ud800'}" }],
  ])("400 for a value over its bound: %s", async (rule, fields) => {
    const answer = await em.form("/em/pod/run", { ...RUN, ...fields });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error: "INVALID_PARAMETERS", message: expect.stringContaining(rule) },
    ]);
    expect(em.dispatch.requests).toEqual([]);
  });
});
