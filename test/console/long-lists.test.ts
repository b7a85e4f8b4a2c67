import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { logIn, openBrowser, openPage, openScreen, type Seen, screenshot } from "./support/browser.ts";

const target = inject("console");
const COMMANDS = 10_000;
const FILES = 100_000;
const LINES = 100_000;
/** Rows that a list may hold at once: a screen of them and some above and below. */
const ROWS = 120;

let browser: Browser;
let seen: Seen;
beforeAll(async () => {
  browser = await openBrowser(target);
  seen = await openPage(browser, target.url);
  await answerMuch(seen.page);
  await logIn(seen.page, target.other);
});
afterAll(async () => {
  await seen?.close();
  await browser?.close();
});

/** A ground with more than a test could make: only its answers to the browser are played. */
async function answerMuch(page: Page): Promise<void> {
  const edge = "em";
  const id = (n: number) => `01J${String(n).padStart(23, "0")}`;
  const made = { edge, lane: "em", state: "succeeded", attempts: 1, created_at: "2026-05-22T20:00:00Z" };
  const many = Array.from({ length: COMMANDS }, (_, n) => ({
    ...made,
    command_id: id(COMMANDS - n),
    operation: n === 0 ? "pod.run" : "nodes.status",
    input: n === 0 ? { pod: "long-log" } : {},
  }));
  const listing = {
    ...made,
    command_id: id(COMMANDS + 1),
    operation: "volume.list",
    input: { volume: "many" },
  };
  const data = [listing, ...many];
  const entries = Array.from({ length: FILES }, (_, n) => ({
    type: "file",
    name: `file-${String(n).padStart(6, "0")}`,
    size: "1",
    time: "2026-05-22-20-00",
  }));
  await page.route(/\/console\/events$/, (route) => route.fulfill({ status: 404, json: {} }));
  await page.route(/\/edge$/, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.json()) as { data: object };
    const volumes = {
      age: 1,
      truncated: false,
      items: [{ name: "many", size: FILES, created: made.created_at }],
    };
    await route.fulfill({ response: answer, json: { data: { ...body.data, edge, volumes } } });
  });
  await page.route(/\/commands\?/, (route) => {
    const query = new URL(route.request().url()).searchParams;
    const from = data.findIndex((one) => one.command_id === query.get("before")) + 1;
    const page = data.slice(from, from + Number(query.get("limit")));
    const last = page.at(-1)?.command_id;
    return route.fulfill({ json: { data: page, ...(last !== data.at(-1)?.command_id && { next: last }) } });
  });
  await page.route(/\/commands\/\w+$/, (route) =>
    route.fulfill({ json: { data: data.find((one) => route.request().url().endsWith(one.command_id)) } }),
  );
  await page.route(/\/commands\/\w+\/content$/, (route) => route.fulfill({ json: entries }));
  await page.route(/\/commands\/\w+\/log\?/, (route) => {
    const after = Number(new URL(route.request().url()).searchParams.get("after"));
    const rows = Array.from({ length: 10_000 }, (_, n) => ({
      cursor: after + n + 1,
      text: `line ${after + n + 1}`,
    }));
    const next = after + rows.length;
    return route.fulfill({ json: { data: { rows, next, dropped: false, complete: next >= LINES } } });
  });
}

const rowsIn = (page: Page) =>
  page.evaluate(
    "Math.max(0, ...[...document.querySelectorAll('.virtual > ul')].map((one) => one.children.length))",
  );

async function scrollTo(page: Page, label: string, part: number): Promise<void> {
  const list = page.getByRole("region", { name: label });
  await list.evaluate((box: { scrollTop: number; scrollHeight: number }, to: number) => {
    box.scrollTop = box.scrollHeight * to;
  }, part);
}

/** How many rows of a list a person sees. */
async function inSight(page: Page, label: string): Promise<number> {
  // In one step: a row that goes meanwhile would be waited for
  return page.getByRole("region", { name: label }).evaluate((list) => {
    const box = list.getBoundingClientRect();
    return [...list.querySelectorAll("li")].filter((row) => {
      const { top, bottom } = row.getBoundingClientRect();
      return top >= box.top && bottom <= box.bottom;
    }).length;
  });
}

/** Looks at the beginning, the middle and the end of a list. */
async function scrollThrough(page: Page, label: string, ends: RegExp): Promise<void> {
  const list = page.getByRole("region", { name: label });
  for (const part of [0.5, 0.25, 1]) {
    await scrollTo(page, label, part);
    await expect.poll(() => list.locator("li").count()).toBeGreaterThan(5);
    expect(await rowsIn(page)).toBeLessThan(ROWS);
  }
  await list.getByText(ends).first().waitFor();
}

test("of 10,000 commands, 100,000 files and 100,000 lines only what is in sight is in the page", async () => {
  const { page } = seen;
  await openScreen(page, "Commands");
  await page.getByText("50 shown").or(page.getByText("250 shown")).waitFor();
  // whoever scrolls on gets to the last of them
  const commands = page.getByRole("region", { name: "Commands, newest first" });
  await expect
    .poll(
      async () => {
        await commands.evaluate((box: { scrollTop: number; scrollHeight: number }) => {
          box.scrollTop = box.scrollHeight;
        });
        expect(await rowsIn(page)).toBeLessThan(ROWS);
        return page.getByText("10,001 shown").count();
      },
      { timeout: 60_000, interval: 20 },
    )
    .toBe(1);
  await scrollThrough(page, "Commands, newest first", /Run pod|Node status/);
  await screenshot(page, "many-commands");
  // rows are higher on a narrow page
  await scrollTo(page, "Commands, newest first", 0.5);
  const wide = page.viewportSize()!;
  await page.setViewportSize({ width: 600, height: 900 });
  await expect.poll(() => inSight(page, "Commands, newest first")).toBeGreaterThan(3);
  await page.setViewportSize(wide);
  await expect.poll(() => inSight(page, "Commands, newest first")).toBeGreaterThan(3);

  await openScreen(page, "Files");
  await page.getByText("file-000000").waitFor();
  await scrollThrough(page, "Files of many", /^file-099999$/);
  await screenshot(page, "many-files");

  await openScreen(page, "Commands");
  await page.getByLabel("Operation").selectOption("pod.run");
  await page.getByRole("link", { name: /Run pod/ }).click();
  await page.getByText("Complete · 100,000 lines").waitFor();
  await scrollThrough(page, "Lines of the log", /^line 100000$/);
  await page.getByLabel("Search the log").fill("line 99999");
  await page.getByText("1 of 100,000 lines").waitFor();
  expect(seen.complaints).toEqual([]);
});
