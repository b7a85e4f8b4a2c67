import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectData } from "./support/expectations.ts";
import { other, user } from "./support/session.ts";

describe("nodes/status", () => {
  let client: Client;

  beforeAll(async () => {
    client = await user();
  });

  it("lists nodes with name and status, as the page shows them", async () => {
    const data = expectData(await client.get("/em/nodes/status"), "Nodes retrieved successfully.");
    expect(data.length).toBeGreaterThan(0);
    for (const node of data) {
      expect(node).toEqual({
        name: expect.stringMatching(/^[a-z0-9-]+$/),
        status: expect.stringMatching(/^(?:True|False|Unknown)$/),
      });
    }
    expect(data.some(({ status }: { status: string }) => status === "True")).toBe(true);
  });

  it("is the same for every user", async () => {
    const theirs = await (await other()).get("/em/nodes/status");
    expect(theirs.json).toEqual((await client.get("/em/nodes/status")).json);
  });
});
