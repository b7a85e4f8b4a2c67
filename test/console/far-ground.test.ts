import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createEmbeddedGround } from "#lambdas/embedded.ts";
import { serve } from "#lambdas/http/serve.ts";
import { program } from "#test/support/programs.ts";
import { QUICK_PASSWORDS } from "#test/support/quick-passwords.ts";
import { openLink } from "../live/support/link.ts";
import { openBrowser, openPage, openScreen } from "./support/browser.ts";

const PAGES = join(dirname(program("server")), "console");
const USER = { name: "ada", password: "of-the-analytical-engine" };
/** One second there, and one back. */
const DELAY_MS = 1000;

let directory: string;
let browser: Browser;
const log: string[] = [];
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-far-"));
  browser = await openBrowser(inject("console"));
});
afterAll(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A ground of its own on the same data, whose log is kept. */
async function start() {
  const ground = await createEmbeddedGround({
    data: directory,
    log: pino({ level: "trace" }, { write: (line: string) => void log.push(line) }),
    passwordCost: QUICK_PASSWORDS,
    console: PAGES,
  });
  const server = await serve(ground.app, { host: "127.0.0.1", port: 0 });
  const stop = async () => {
    await server.close(0);
    await ground.close();
  };
  return { ...ground, url: server.url, stop };
}

test("over a far link, and when the ground is started anew under it, a page goes on; no token is in the log", async () => {
  const first = await start();
  await first.accounts.addEdge("em1");
  await first.accounts.addUser(USER.name, USER.password);
  const link = await openLink(first.url);
  const seen = await openPage(browser, link.url);
  const { page } = seen;
  const live = page.getByRole("banner").getByText("Live", { exact: true });
  await page.goto("/console");
  link.delayMs = DELAY_MS;
  await page.getByLabel("User").fill(USER.name);
  await page.getByLabel("Password").fill(USER.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await live.waitFor();
  await first.stop();
  await page.getByText("The ground does not answer.").waitFor();
  const second = await start();
  link.target = second.url;
  await live.waitFor();
  await page.getByText("The ground does not answer.").waitFor({ state: "detached" });
  await openScreen(page, "Commands");
  const { access, refresh } = (await page.evaluate(
    "JSON.parse(sessionStorage.getItem('perigee.session'))",
  )) as Record<string, string>;
  await seen.close();
  link.close();
  await second.stop();
  for (const secret of [access, refresh, USER.password]) {
    expect(secret).toMatch(/^.{10,}$/);
    expect(log.join("")).not.toContain(secret);
  }
});
