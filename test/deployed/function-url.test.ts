import { request } from "node:http";
import { text } from "node:stream/consumers";
import { expect, inject, test } from "vitest";

/** One request to the emulator's own function URL, under the name by which it knows it. */
function ask(path: string, init: { method?: string; body?: string } = {}) {
  const { endpoint, outputs } = inject("deployed");
  const { port } = new URL(endpoint);
  const [, id] = /^https?:\/\/([^.]+)/.exec(outputs.Url)!;
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>(
    (done, failed) => {
      const host = `${id}.lambda-url.us-east-1.localhost.localstack.cloud:${port}`;
      const headers = { host, "content-type": "application/json" };
      const out = request(
        new URL(path, endpoint),
        { method: init.method ?? "GET", headers },
        async (answer) => {
          done({ status: answer.statusCode!, headers: answer.headers, body: await text(answer) });
        },
      );
      out.on("error", failed);
      out.end(init.body);
    },
  );
}

test("the function URL that was deployed leads to the API", async () => {
  const { status, body, headers } = await ask("/healthz");
  expect([status, JSON.parse(body)]).toEqual([200, expect.objectContaining({ status: "ok" })]);
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test("an unknown log-in is refused by the table, in the contract's shape", async () => {
  const body = JSON.stringify({ username: "nobody", password: "nothing at all" });
  const answer = await ask("/auth/", { method: "POST", body });
  expect(answer.status).toBe(401);
  expect(JSON.parse(answer.body)).toMatchObject({ error: "INVALID_CREDENTIALS" });
});

test("a request over what Lambda takes is refused before it", async () => {
  const answer = await fetch(`${inject("deployed").url}/em/files/uplink`, {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=b" },
    body: Buffer.alloc(7 << 20),
  });
  expect(answer.status).toBe(413);
});
