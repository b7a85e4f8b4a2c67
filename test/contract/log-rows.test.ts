import { beforeAll, describe, expect, it } from "vitest";
import type { Client } from "./support/client.ts";
import { expectRefusal } from "./support/expectations.ts";
import { run } from "./support/pods.ts";
import { named, other, target, user } from "./support/session.ts";

let client: Client;

beforeAll(async () => {
  client = await user();
});

type Row = { cursor: number; time?: string; text: string };
type Page = { rows: Row[]; next: number; dropped: boolean; complete: boolean };

/** All rows of a command's log, as they come. */
async function follow(id: string, limit = 1000): Promise<Row[]> {
  const rows: Row[] = [];
  let after = 0;
  for (;;) {
    const answer = await client.get(`/commands/${id}/log`, { after, limit, wait: 20 });
    expect(answer.status, answer.text).toBe(200);
    const page: Page = answer.json.data;
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    for (const row of page.rows) {
      expect(row.cursor).toBeGreaterThan(rows.at(-1)?.cursor ?? 0);
      rows.push(row);
    }
    after = page.next;
    if (page.complete) return rows;
  }
}

async function newest(operation: string): Promise<string> {
  const { data } = (await client.get("/commands", { limit: 50 })).json;
  return data.find((command: { operation: string }) => command.operation === operation).command_id;
}

describe("rows of a log", () => {
  it("of a run come while it works, and in pages of any size the same", async () => {
    const pod = named("rows");
    await run(client, pod, {
      image: target.image,
      command: "echo one; echo; sleep 2; printf 'zwei\\nno end'",
    });
    const id = await newest("pod.run");
    const rows = await follow(id);
    expect(rows.map(({ text }) => text)).toEqual(["one", "", "zwei", "no end"]);
    for (const { time } of rows) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|\+00:00)$/);
    expect(await follow(id, 1)).toEqual(rows);
  });

  it("of a build are all it wrote, also when it succeeds", async () => {
    const volume = named("rows-build");
    await client.uplink(
      { D: `FROM ${target.image}\nRUN echo first\nRUN echo second\n`, "c/x": "" },
      { pod_name: volume },
    );
    const fields = { pod_name: volume, dockerfile: "D", context: "c", image: volume };
    expect((await client.form("/em/pod/image/build", fields)).status).toBe(200);
    const texts = (await follow(await newest("image.build"))).map(({ text }) => text);
    expect(texts.filter((text) => /^(first|second)$/.test(text))).toEqual(["first", "second"]);
    expect(texts).toContain("Step 2/3 : RUN echo first");
  });

  it("of a command that writes none, of another user's and with odd parameters are refused", async () => {
    await client.get("/em/nodes/status");
    const none = await newest("nodes.status");
    const refused = await client.get(`/commands/${none}/log`, {});
    expectRefusal(refused, 404, "FILE_NOT_FOUND", "nodes.status writes no log");
    const id = await newest("image.build");
    expect((await (await other()).get(`/commands/${id}/log`, {})).json.error).toBe("COMMAND_NOT_FOUND");
    const wrong: Record<string, string>[] = [
      { after: "-1" },
      { after: "x" },
      { limit: "0" },
      { limit: "10001" },
      { wait: "61" },
    ];
    for (const fields of wrong) {
      const answer = await client.get(`/commands/${id}/log`, fields);
      expect(answer.status).toBe(400);
      expect(answer.json.message).toMatch(new RegExp(`^${Object.keys(fields)[0]}: `));
    }
  });
});
