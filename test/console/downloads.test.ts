import { expect, inject, test } from "vitest";
import { openApi } from "./support/api.ts";

const target = inject("console");
const VOLUME = "downloads";
/** Types that a browser would show, and run. */
const FILES = ["page.html", "picture.svg", "data.xml", "script.js", "no ending"];
const MARKUP = "<html xmlns='http://www.w3.org/1999/xhtml'><script>document.title='owned'</script></html>";

test("what a user has stored is never shown as a page of the ground's", async () => {
  const api = await openApi(target.url, target.user);
  await api.send(VOLUME, Object.fromEntries(FILES.map((name) => [name, MARKUP])));
  const query = (filepath: string) => new URLSearchParams({ pod_name: VOLUME, filepath });
  for (const name of FILES) {
    const path = `/em/files/downlink?${query(name)}`;
    await expectDownload(await api.get(path));
    // nor to whom a link leads there: only a header opens it
    const led = await fetch(target.url + path);
    expect([led.status, led.headers.get("content-type")]).toEqual([
      401,
      expect.stringContaining("application/json"),
    ]);
  }
  // and as the console brings it down
  const accepted = await api.get(`/em/files/downlink?${query(FILES[0]!)}`, { prefer: "respond-async" });
  const { data } = (await accepted.json()) as { data: { command_id: string } };
  for (let state = "queued"; state !== "succeeded"; ) {
    const command = await api.get(`/commands/${data.command_id}?wait=20`);
    ({ state } = ((await command.json()) as { data: { state: string } }).data);
    expect(["queued", "running", "succeeded"]).toContain(state);
  }
  await expectDownload(await api.get(`/commands/${data.command_id}/content`));
});

async function expectDownload(answer: Response): Promise<void> {
  const { headers } = answer;
  expect([answer.status, await answer.text()]).toEqual([200, MARKUP]);
  expect(headers.get("content-type")).toBe("application/octet-stream");
  expect(headers.get("content-disposition")).toMatch(/^attachment; /);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
}
