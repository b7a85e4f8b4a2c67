import { expect, test } from "vitest";
import { image, me, other } from "./support/session.ts";
import { ended, job, pipeline, ran } from "./support/work.ts";

/** Sections 8 and 9. */
type Row = { id: number; job: number; logline: string; time?: string };
const RUN = 2 ** 40;

test("rows, cursors, limit, and the same text as bytes", async () => {
  const of = await pipeline(me);
  const command = "printf 'one\\n\\nth\\377ree\\nlast'";
  const id = await job(me, of, { image_id: String(image), command });
  expect(await me.get(`/execution/${id}/logs`)).toEqual([]);
  expect((await me.send("POST", `/execution/${id}/logs`)).text).toBe("");
  await me.post(`${of}/submit`);
  await ended(me, of, id);
  const whole = await me.send("GET", `/execution/${id}/logs`);
  const rows = whole.json as Row[];
  expect(rows.map(({ logline }) => logline)).toEqual(["one", "", "th\ufffdree", "last"]);
  expect(rows[0]).toEqual({
    id: expect.any(Number),
    job: id,
    logline: "one",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  });
  expect(await me.get(`/execution/${id}/logs/0`)).toEqual(rows);
  expect(await me.get(`/execution/${id}/logs/${rows[1]!.id}`)).toEqual(rows.slice(2));
  expect(await me.get(`/execution/${id}/logs/${rows[3]!.id}`)).toEqual([]);
  expect(await me.get(`/execution/${id}/logs?limit=2`)).toEqual(rows.slice(0, 2));
  expect(await me.get(`/execution/${id}/logs?wait=25&limit=1`)).toEqual(rows.slice(0, 1));
  for (const wrong of ["x", "-1", "1.5", "1e3", "0x1", "%20", "+1"]) {
    expect(await me.get(`/execution/${id}/logs/${wrong}`)).toEqual({ error: "Log id must be a number" });
  }
  for (const large of ["9".repeat(15), "9".repeat(17), "9".repeat(400)]) {
    expect(await me.get(`/execution/${id}/logs/${large}`), large).toEqual([]);
  }
  expect(await me.get(`/execution/${id}/logs/000${rows[2]!.id}`)).toEqual(rows.slice(3));

  const text = rows.map(({ logline }) => `${logline}\n`).join("");
  const size = String(Buffer.byteLength(text));
  const path = `/execution/${id}/logs`;
  const post = (fields: Record<string, string> = {}) =>
    me.send("POST", path, { body: new URLSearchParams(fields) });
  const answer = await post();
  expect([answer.status, answer.text]).toEqual([200, text]);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    "content-type": "text/plain; charset=utf-8",
    "content-disposition": `attachment; filename=job_${id}_logs.txt`,
    "x-log-size": size,
  });
  expect(whole.headers.get("x-log-size")).toBe(size);
  const head = await me.send("HEAD", path);
  expect([head.status, head.text, head.headers.get("x-log-size")]).toEqual([200, "", size]);
  expect((await post({ start_byte: "2", size: "4" })).text).toBe(text.slice(2, 6));
  expect((await post({ start_byte: "4", size: "0" })).text).toBe(text.slice(4));
  for (const start_byte of ["1000", "9".repeat(17), "9".repeat(400)])
    expect((await post({ start_byte })).text).toBe("");
  expect((await post({ start_byte: "2", size: "9".repeat(20) })).text).toBe(text.slice(2));
  const wrong = await post({ start_byte: "x" });
  expect([wrong.status, wrong.json]).toEqual([
    400,
    { message: "[start_byte]: invalid literal for int() with base 10: 'x'" },
  ]);
  for (const name of ["size", "start_byte"]) expect((await post({ [name]: "-1" })).status).toBe(400);

  await me.post(`${of}/submit`);
  await ended(me, of, id);
  const both = (await me.get(path)) as Row[];
  expect(both.slice(0, 4)).toEqual(rows);
  expect(both.slice(4).map((row) => row.id)).toEqual(rows.map((row) => row.id + RUN));
});

test("a zip of the outbox: regular files by their relative paths, also in parts", async () => {
  const script =
    "mkdir -p /outbox/d /outbox/e; echo x > /outbox/d/in.txt; echo y > /outbox/out.txt; ln -s out.txt /outbox/l";
  const { of, id } = await ran(me, image, script);
  const path = `${of}/job/${id}`;
  const zip = await me.send("GET", `${path}?result`);
  expect(zip.status).toBe(200);
  const headers = Object.fromEntries(zip.headers);
  expect(headers).toMatchObject({
    "content-type": "application/zip",
    "content-disposition": "attachment; filename=results.zip",
    "content-length": String(zip.bytes.length),
    etag: expect.stringMatching(/^"[^"]+"$/),
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
  });
  expect(namesIn(zip.bytes)).toEqual(["d/in.txt", "out.txt"]);
  expect((await me.get(path))[id].result_size).toBe(zip.bytes.length);
  for (const query of ["result=0", "result=", "x=1&result"]) {
    expect((await me.send("GET", `${path}?${query}`)).bytes).toEqual(zip.bytes);
  }
  const part = (range: string, more = {}) =>
    me.send("GET", `${path}?result`, { headers: { range, ...more } });
  const first = await part("bytes=2-5");
  expect([first.status, first.bytes, first.headers.get("content-range")]).toEqual([
    206,
    zip.bytes.subarray(2, 6),
    `bytes 2-5/${zip.bytes.length}`,
  ]);
  expect((await part("bytes=-4")).bytes).toEqual(zip.bytes.subarray(-4));
  expect((await part("bytes=2-5", { "if-range": '"other"' })).status).toBe(200);
  expect((await part("bytes=2-5", { "if-range": headers.etag! })).status).toBe(206);
  // what cannot be satisfied is ignored: 416 is none of this API's statuses
  expect((await part("bytes=999999999-")).bytes).toEqual(zip.bytes);
  const head = await me.send("HEAD", `${path}?result`);
  expect([head.status, head.text, head.headers.get("content-length")]).toEqual([
    200,
    "",
    headers["content-length"],
  ]);
  // ignored on lists
  expect(await me.get(`${of}/job?result`)).toHaveProperty(String(id));
  expect((await me.get("/jobs?result"))[id]).toMatchObject({ state: "done" });
  expect(await other.get(`${path}?result`)).toHaveProperty("error");
});

test("an empty outbox is a valid empty zip; before the first run there is none", async () => {
  const of = await pipeline(me);
  const id = await job(me, of, { image_id: String(image), command: "true" });
  expect(await me.get(`${of}/job/${id}?result`)).toEqual({
    error: "Job has not finished running, or has failed",
  });
  await me.post(`${of}/submit`);
  await ended(me, of, id);
  const zip = await me.send("GET", `${of}/job/${id}?result`);
  expect(zip.bytes).toEqual(Buffer.concat([Buffer.from("PK\x05\x06"), Buffer.alloc(18)]));
});

/** Names in a zip's central directory, sorted. */
function namesIn(zip: Buffer): string[] {
  const names: string[] = [];
  for (let at = zip.indexOf("PK\x01\x02"); at >= 0; at = zip.indexOf("PK\x01\x02", at + 46)) {
    names.push(zip.toString("utf8", at + 46, at + 46 + zip.readUInt16LE(at + 28)));
  }
  return names.sort();
}
