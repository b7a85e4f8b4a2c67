import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Link, openLink } from "./link.ts";
import { readProfiles } from "./profile.ts";

const run = promisify(execFile);
const BODY = Buffer.alloc(100_000, "x");
let link: Link;
let server: http.Server;
let url: string;

beforeEach(async () => {
  link = await openLink(readProfiles().none!);
  server = http.createServer((_, answer) => answer.end(BODY)).listen(0, link.ground);
  await once(server, "listening");
  url = `http://${link.ground}:${(server.address() as AddressInfo).port}/`;
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await link.close();
});

const get = (...more: string[]) => {
  const [program, ...args] = [...link.onEdge, "curl", "--silent", "--fail", ...more, url];
  return run(program!, args, { maxBuffer: 1e6 });
};

test("the edge reaches the ground through it, and what was sent is counted once", async () => {
  expect((await get()).stdout.length).toBe(BODY.length);
  const { up, down } = link.stats();
  expect(up.payload).toBeGreaterThan(BODY.length);
  expect(up.payload).toBeLessThan(BODY.length + 1000);
  expect(up.bytes).toBeGreaterThan(up.payload);
  expect(down.payload).toBeLessThan(1000);
  expect(up.lost + up.dropped + up.silent).toBe(0);
});

test("a cut link is silent: a connection stays half open until it is restored", async () => {
  link.up.open = false;
  const answered = get("--max-time", "60");
  for (const until = performance.now() + 30_000; link.stats().up.silent === 0; ) {
    if (performance.now() > until) throw new Error("nothing was sent into the cut");
    await new Promise((done) => setTimeout(done, 5));
  }
  link.cut();
  link.restore();
  expect((await answered).stdout.length).toBe(BODY.length);
});

test("its name space and its devices go with it", async () => {
  const device = await run("ip", ["-o", "addr", "show", "to", link.ground]);
  expect(device.stdout).toContain(link.ground);
  await link.close();
  expect((await run("ip", ["-o", "addr", "show", "to", link.ground])).stdout).toBe("");
  const [program, ...args] = [...link.onEdge, "true"];
  const [code] = await once(spawn(program!, args, { stdio: "ignore" }), "exit");
  expect(code).not.toBe(0);
});
