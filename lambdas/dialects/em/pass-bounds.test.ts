import { afterEach, describe, expect, test } from "vitest";
import { COMMAND_ID, EmServer } from "#test/support/em-server.ts";

/** A ground through which only so much passes, as behind a function URL. */
let em: EmServer;
afterEach(() => em.stop());

const FILE = {
  kind: "file",
  name: "data.txt",
  total: 10,
  etag: '"abc"',
  modified: Date.parse("2025-11-20T12:31:12Z"),
  content: { n: 0, size: 10 },
};
const PATH = "/em/files/downlink?filepath=results/data.txt&pod_name=p";

describe("content", () => {
  test("up to the bound it comes with the answer, over it the answer leads to it", async () => {
    em = await EmServer.start({ passBytes: 10 });
    await em.stage(0, "0123456789");
    em.dispatch.outcome = { result: FILE };
    const whole = await em.fetch(PATH, { redirect: "manual", headers: { prefer: "wait=9" } });
    expect([whole.status, await whole.text()]).toEqual([200, "0123456789"]);

    em.dispatch.outcome = { result: { ...FILE, total: 11, content: { n: 0, size: 11 } } };
    await em.stage(0, "0123456789x");
    const answer = await em.fetch(PATH, { redirect: "manual" });
    expect(answer.status).toBe(302);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      etag: '"abc"',
      "content-disposition": 'attachment; filename="data.txt"',
      "cache-control": "no-store",
    });
    // signed for that object, and what it leads to stays until it is swept
    expect(answer.headers.get("location")).toContain(COMMAND_ID);
    expect(await answer.json()).toEqual({ message: "The content is at Location", data: { size: 11 } });
    expect(await em.staged()).toHaveLength(1);
  });

  test("a part over the bound is given as far as it may pass, and says so", async () => {
    em = await EmServer.start({ passBytes: 4 });
    await em.stage(0, "234567");
    em.dispatch.outcome = { result: { ...FILE, range: { start: 2, end: 7 }, content: { n: 0, size: 6 } } };
    const answer = await em.fetch(PATH, { headers: { range: "bytes=2-7" } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe("bytes 2-5/10");
    expect(answer.headers.get("content-length")).toBe("4");
    expect(await answer.text()).toBe("2345");
  });

  test("what is gone from staging is 404, not a way to nothing", async () => {
    em = await EmServer.start({ passBytes: 4 });
    em.dispatch.outcome = { result: FILE };
    expect((await em.fetch(PATH, { redirect: "manual" })).status).toBe(404);
  });
});

describe("an uplink", () => {
  const send = (bytes: number) => {
    const body = new FormData();
    body.append("files", new Blob(["x".repeat(bytes)]), "a.bin");
    return em.fetch("/em/files/uplink", { method: "POST", body });
  };

  test("over the bound is 413 and names the way, before it takes a place", async () => {
    em = await EmServer.start({ requestBytes: 1 << 20 });
    const answer = await send(1 << 20);
    expect(answer.status).toBe(413);
    expect(await answer.json()).toEqual({
      error: "BODY_TOO_LARGE",
      message: "Bodies over 1.0 MiB do not pass here: send the files in parts, see POST /uplinks",
      uplinks: "/uplinks",
    });
    expect(em.dispatch.reservations).toEqual([]);
    expect((await send(1000)).status).toBe(200);
  });
});
