import { expect, test } from "vitest";
import type { DialectCore } from "../core.ts";
import { holdings } from "./holdings.ts";

test("only the runners of that edge that are there and that are no earlier user's", async () => {
  const one = { user: "ada", edge: "em1", environment: 7, state: "used", since: 200, mappedPorts: [] };
  const list = async () => [
    { ...one, id: "7-own" },
    { ...one, id: "7-earlier", since: 99 },
    { ...one, id: "7-elsewhere", edge: "em2" },
    { ...one, id: "7-gone", state: "gone" },
  ];
  const core = { runners: { list } } as unknown as DialectCore;
  expect(await holdings(core, { user: "ada", uid: "u", edge: "em1", createdAt: 100 })).toEqual({
    items: [
      { kind: "runner", name: "7-own", created: 200, state: "used", phase: "runs", image: "environment 7" },
    ],
  });
});
