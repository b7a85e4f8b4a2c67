import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { brokenRules } from "./support/broken-rules.ts";
import { openBrowser, openPage } from "./support/browser.ts";

const target = inject("console");

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser(target);
});
afterAll(() => browser?.close());

test("the API's reference shows the operations, and tries one with the token that was entered", async () => {
  const seen = await openPage(browser, target.url);
  const { page } = seen;
  await page.goto("/docs");
  await page.locator(".opblock-tag").first().waitFor();
  const tags = await page.locator(".opblock-tag").allTextContents();
  expect(tags).toEqual(expect.arrayContaining(["Auth", "EM", "Commands", "Edge"]));
  const body = new URLSearchParams({ username: target.user.name, password: target.user.password });
  const { access } = (await (await fetch(`${target.url}/auth/`, { method: "POST", body })).json()) as {
    access: string;
  };
  // as long as the page is small
  await page.locator(".btn.authorize").click();
  await page.getByRole("dialog").waitFor();
  const broken = await brokenRules(page, "reference-token");
  await page.locator(".modal-ux .btn-done").first().click();
  await page.locator("#operations-tag-Edge").click();
  await page.locator("#operations-Edge-getEdge").getByRole("button").first().click();
  await page.locator("#operations-Edge-getEdge .try-out__btn").click();
  const execute = page.locator("#operations-Edge-getEdge .execute");
  const status = page.locator("#operations-Edge-getEdge .live-responses-table .response-col_status");
  await execute.click();
  await status.getByText("401").waitFor();
  await page.locator(".btn.authorize").click();
  await page.getByLabel("auth-bearer-value").fill(access);
  await page.locator(".modal-ux button[type=submit]").first().click();
  await page.locator(".modal-ux .btn-done").first().click();
  await execute.click();
  await status.getByText("200").waitFor();
  await page.locator(".live-responses-table").getByText('"contact"').first().waitFor();
  broken.push(...(await brokenRules(page, "reference")));
  expect(broken).toEqual([]);
  expect(seen.complaints).toEqual([]);
  expect(seen.asked.filter((address) => !address.startsWith(`${target.url}/`))).toEqual([]);
  expect(seen.asked.join("\n")).not.toContain(access);
  expect(await page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length")).toBe(0);
  // the theme that was chosen in the console; it needs no library
  await page.route(/swagger-ui-\w+\.js$/, (route) => route.abort());
  await page.evaluate("localStorage.setItem('perigee.theme', 'dark')");
  await page.reload();
  await page.locator("html.dark-mode").waitFor();
  await seen.close();
});
