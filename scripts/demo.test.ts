import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterEach, expect, test } from "vitest";
import { DemoClient } from "./demo-client.ts";
import { Different, doMainJob, expectedDownlink } from "./demo-steps.ts";

const EXAMPLE = join(import.meta.dirname, "../examples/echo-test");
const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close().closeAllConnections();
});

type Canned = { status: number; body: string; headers?: Record<string, string> };

/** A client of a server that gives these answers, in order; and everything it showed. */
async function clientOf(answers: Canned[], deadline = AbortSignal.timeout(90_000)) {
  const server = createServer((request, response) => {
    request.resume().once("end", () => {
      const { status, body, headers } = answers.shift() ?? { status: 500, body: "{}" };
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
    });
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const shown: string[] = [];
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new DemoClient(url, (line) => shown.push(stripVTControlCharacters(line)), deadline);
  return { client, shown: () => shown.join("\n") };
}

test("what the example writes is what the demo expects", () => {
  const directory = mkdtempSync(join(tmpdir(), "perigee-echo-"));
  try {
    const message = Buffer.from("bytes \u00ff and\nlines\n");
    writeFileSync(join(directory, "uplink.txt"), message);
    // the payload as it is, with the volume elsewhere
    const script = readFileSync(join(EXAMPLE, "echo-test.sh"), "utf8").replaceAll("/data/", `${directory}/`);
    execFileSync("/bin/sh", ["-c", script]);
    expect(readFileSync(join(directory, "downlink.txt"))).toEqual(expectedDownlink(message));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("passwords and tokens are shown as dots", async () => {
  const { client, shown } = await clientOf([
    { status: 200, body: '{"access":"secret.access.token","refresh":"secret.refresh.token"}' },
    { status: 200, body: "{}" },
  ]);
  await client.logIn("ada", "secret-password");
  await client.send("GET", "/em/nodes/status");
  expect(shown()).toContain("-F username=ada -F password=••••••");
  expect(shown()).toContain("Authorization: Bearer ••••••");
  expect(shown()).not.toContain("secret");
});

test("a busy edge is asked again as Retry-After says, and it shows", async () => {
  const busy = { status: 423, body: '{"error":"LOCKED"}', headers: { "retry-after": "1" } };
  const { client, shown } = await clientOf([busy, { status: 200, body: '{"message":"done"}' }]);
  expect((await client.send("GET", "/em/nodes/status")).status).toBe(200);
  expect(shown()).toMatch(/423[\s\S]*LOCKED[\s\S]*Retry-After: 1[\s\S]*200[\s\S]*done/);
});

test("an edge that stays busy ends at the deadline", async () => {
  const busy = { status: 423, body: "{}", headers: { "retry-after": "60" } };
  const deadline = new AbortController();
  const { client } = await clientOf([busy], deadline.signal);
  const waiting = client.send("GET", "/em/nodes/status");
  deadline.abort(new Error("too late"));
  await expect(waiting).rejects.toThrow("too late");
});

test("a refusal without Retry-After is not tried again", async () => {
  const { client } = await clientOf([{ status: 503, body: "{}" }]);
  expect((await client.send("GET", "/em/nodes/status")).status).toBe(503);
});

test.each([
  ["a status", { status: 400, body: '{"error":"NO_FILES"}' }],
  ["a message", { status: 200, body: '{"message":"Uplinked"}' }],
])("%s that differs ends the main job", async (_, answer) => {
  const { client } = await clientOf([answer]);
  await expect(doMainJob(client, () => {}, AbortSignal.timeout(90_000))).rejects.toThrow(Different);
});
