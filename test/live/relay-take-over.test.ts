import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { RELAY_HELD } from "#lambdas/live/relay/relay-place.ts";
import { Child } from "../../scripts/child.ts";
import type { RelayServerOptions } from "./support/relay-server.ts";

const SERVER = new URL("support/relay-server.ts", import.meta.url).pathname;
const PATIENT = { timeout: 60_000 };
/** far more than a renewal may be late on a busy machine */
const TAKE_OVER_MS = 5_000;

/** Two servers as processes on one store, by the clock of the machine. */
test("the other server is the relay when the one that was is killed, and not before", {
  timeout: 120_000,
}, async () => {
  const data = mkdtempSync(join(tmpdir(), "perigee-relays-"));
  const servers: Child[] = [];
  onTestFinished(async () => {
    for (const server of servers) server.kill();
    await Promise.all(servers.map((server) => server.exited));
    rmSync(data, { recursive: true });
  });
  const start = async (name: string) => {
    const options: RelayServerOptions = { data, place: { renewMs: 200, takeOverMs: TAKE_OVER_MS } };
    /** what it said of being the relay */
    const told: boolean[] = [];
    const server = await Child.start(
      name,
      [SERVER, JSON.stringify(options)],
      { PATH: process.env.PATH },
      (line) => {
        const held = (line.startsWith("{") ? JSON.parse(line) : {})[RELAY_HELD] as boolean | undefined;
        // it is said again and again
        if (held !== undefined && held !== told.at(-1)) told.push(held);
      },
    );
    servers.push(server);
    await server.ready;
    return { server, told, isRelay: () => told.at(-1) === true };
  };
  const first = await start("first");
  await expect.poll(first.isRelay, PATIENT).toBe(true);
  const second = await start("second");
  expect([first.told, second.told]).toEqual([[true], []]);
  first.server.kill();
  await expect.poll(second.isRelay, PATIENT).toBe(true);
});
