import { afterEach, beforeEach, expect, test } from "vitest";
import { EmServer } from "#test/support/em-server.ts";

let em: EmServer;
beforeEach(async () => {
  em = await EmServer.start();
});
afterEach(() => em.stop());
test("smoke", async () => {
  const body = new FormData();
  body.append("files", new File(["hello"], "a/b.txt"));
  body.append("dest_path", "./x/");
  body.append("pod_name", "pod-a");
  const r = await em.fetch("//em/files/uplink/", { method: "POST", body });
  expect(await r.json()).toEqual({
    message: "Successfully uplinked files",
    data: { file_count: 1, total_size_kb: 0 },
  });
  expect(em.dispatch.uploads).toMatchObject([
    { volume: "pod-a", files: [{ n: 0, path: "x/a/b.txt", size: 5 }] },
  ]);
});
