import { beforeAll, describe, expect, test } from "vitest";
import { me, run, SERVER, said, scripted } from "./support/session.ts";

let image: string;
beforeAll(async () => {
  image = await scripted();
});

/** What a followed log brings until `is` says it is enough; then the connection is cut. */
async function followed(id: string, query: string, is: (text: string) => boolean): Promise<string> {
  const stop = new AbortController();
  const answer = await me.open("GET", `/instances/${id}/logs?${query}`, { signal: stop.signal });
  expect(answer.headers.get("content-encoding") ?? "identity").toBe("identity");
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of answer.body!) {
    text += decoder.decode(chunk, { stream: true });
    if (is(text)) break;
  }
  stop.abort();
  return text;
}

describe.concurrent("logs", () => {
  test("are the whole log so far, after one line that names the instance as it was asked for", async () => {
    // a cluster tells both streams as one: what has no end of line comes last
    const { Id, Name } = (await run(image, "echo one; echo two >&2; sleep 1; printf three")).json;
    await said(Id);
    const plain = await me.get(`/instances/${Name}/logs`);
    expect([plain.status, plain.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    const [first, ...lines] = plain.text.split("\n");
    expect(first).toBe(`getting logs for ${Name}...`);
    expect(lines.sort()).toEqual(["", "one", "three", "two"]);
  });

  test.each(["follow=true", "fallow=True"])(
    "%s brings each line once, and ends with the run",
    async (query) => {
      const lines = Array.from({ length: 30 }, (_, n) => `line ${n}`);
      const script =
        "n=0; while [ $n -lt 30 ]; do echo line $n; n=$((n+1)); [ $n = 15 ] && sleep 0.5; done; printf end";
      const { Id } = (await run(image, script)).json;
      const text = await followed(Id, query, () => false);
      expect(text.replaceAll("\0", "")).toBe(`getting logs for ${Id}...\n${lines.join("\n")}\nend\n`);
    },
  );

  test("a silent stream says that it is there with a NUL between lines", async () => {
    const { Id } = (await run(image, SERVER)).json;
    const text = await followed(Id, "follow=true", (so) => so.includes("\0"));
    expect(text).toMatch(/^getting logs for \w+\.\.\.\n(up\n)?\0/);
    await me.delete(`/instances/${Id}?force=true`);
  });

  test("delete=true takes the instance along when the connection ends, with follow alone", async () => {
    const { Id } = (await run(image, SERVER)).json;
    await me.get(`/instances/${Id}/logs?delete=true`);
    expect((await me.get(`/instances/${Id}`)).status).toBe(200);
    await followed(Id, "follow=true&delete=true", (text) => text.includes("up\n"));
    while ((await me.get(`/instances/${Id}`)).status !== 404) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
});
