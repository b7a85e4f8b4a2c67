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
import { worldOn } from "#test/support/world.ts";
import { openLink } from "../live/support/link.ts";
import { openApi } from "./support/api.ts";
import { brokenRules } from "./support/broken-rules.ts";
import { heard, logIn, openBrowser, openPage, openScreen, screenshot } from "./support/browser.ts";

const PAGES = join(dirname(program("server")), "console");
const USER = { name: "ada", password: "of-the-analytical-engine" };
/** One second there, and one back. */
const DELAY_MS = 1000;
const FIVE_DAYS_MS = 5 * 24 * 3600_000;
const LISTING = JSON.stringify([{ type: "file", name: "kept.txt", size: "5", time: "2026-05-22-20-00" }]);

let directory: string;
let browser: Browser;
const log: string[] = [];
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-far-"));
  await makePast();
  browser = await openBrowser(inject("console"));
});
afterAll(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A ground of its own on the same data, whose log is kept. */
function openGround(options: { now?: () => number } = {}) {
  return createEmbeddedGround({
    ...options,
    data: join(directory, "ground"),
    log: pino({ level: "trace" }, { write: (line: string) => void log.push(line) }),
    passwordCost: QUICK_PASSWORDS,
    console: PAGES,
  });
}

async function start() {
  const ground = await openGround();
  const server = await serve(ground.app, { host: "127.0.0.1", port: 0 });
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    await server.close(0);
    await ground.close();
  };
  return { ...ground, url: server.url, stop, [Symbol.asyncDispose]: stop };
}

/** Five days ago em1 was in contact, and listed a volume; em2 never was. */
async function makePast(): Promise<void> {
  const ground = await openGround({ now: () => Date.now() - FIVE_DAYS_MS });
  const world = await worldOn({ data: join(directory, "world"), log: pino({ level: "silent" }), ground });
  await ground.accounts.addUser(USER.name, USER.password);
  await world.agent({ "volume.list": async () => ({ listing: LISTING, truncated: false }) });
  const api = await openApi(world.url, USER);
  await api.form("/em/files/list", { pod_name: "old" });
  await ground.accounts.addEdge("em2");
  await ground.accounts.grant("em2", USER.name);
  await world.close();
}

test("an edge out of contact for days shows what was known, with its age, and the choice of another edge", async () => {
  await using ground = await start();
  await using seen = await openPage(browser, ground.url);
  const { page } = seen;
  await logIn(page, USER);
  const main = page.getByRole("main");
  const edges = main.getByRole("region", { name: "Your edges" });
  const lineOf = (name: string) =>
    edges.getByRole("row").filter({ has: page.getByRole("button", { name, exact: true }) });
  await lineOf("em1").getByText("Out of contact").waitFor();
  await lineOf("em1").getByText("5 d ago").waitFor();
  await lineOf("em2").getByText("Never heard").waitFor();
  await lineOf("em2").getByText("0 run, 0 wait").waitFor();
  await screenshot(page, "out-of-contact");
  await page.goto("/console#/files/old");
  await main.getByText("kept.txt").waitFor();
  await main.getByText("as it was 5 d ago").waitFor();
  // what is asked now waits for the edge
  await page.getByRole("button", { name: "Delete kept.txt" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await openScreen(page, "Commands");
  const list = page.getByRole("region", { name: "Commands, newest first" });
  await list.getByRole("link", { name: /^Queued Delete file/ }).waitFor();

  await page.getByRole("combobox", { name: "Edge", exact: true }).selectOption("em2");
  await main.getByText("No commands yet").waitFor();
  await page.getByRole("banner").getByText("Never heard").waitFor();
  await openScreen(page, "Images");
  await main.getByText("The edge has not reported its images yet").waitFor();
  await openScreen(page, "Overview");
  await edges.getByRole("button", { name: "em1", exact: true }).click();
  await page.getByRole("banner").getByText("heard 5 d ago").waitFor();
  // the table went with the control meanwhile
  expect(await page.evaluate("document.activeElement.tagName")).toBe("MAIN");
  await lineOf("em2").getByText("0 run, 0 wait").waitFor();
  const broken = await brokenRules(page, "edges");
  await page.setViewportSize({ width: 360, height: 740 });
  broken.push(...(await brokenRules(page, "phone-edges")));
  expect(broken).toEqual([]);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  expect(seen.complaints).toEqual([]);
});

test("over a far link, and when the ground is started anew under it, a page goes on; no token is in the log", async () => {
  await using first = await start();
  const link = await openLink(first.url);
  using _ = { [Symbol.dispose]: () => link.close() };
  await using seen = await openPage(browser, link.url);
  const { page } = seen;
  await page.goto("/console");
  link.delayMs = DELAY_MS;
  await page.getByLabel("User").fill(USER.name);
  await page.getByLabel("Password").fill(USER.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await heard(page);
  await first.stop();
  await page.getByText("The ground does not answer.").waitFor();
  await using second = await start();
  link.target = second.url;
  await heard(page);
  await page.getByText("The ground does not answer.").waitFor({ state: "detached" });
  await openScreen(page, "Commands");
  const { access, refresh } = (await page.evaluate(
    "JSON.parse(sessionStorage.getItem('perigee.session'))",
  )) as Record<string, string>;
  await seen.close();
  for (const secret of [access, refresh, USER.password]) {
    expect(secret).toMatch(/^.{10,}$/);
    expect(log.join("")).not.toContain(secret);
  }
});
