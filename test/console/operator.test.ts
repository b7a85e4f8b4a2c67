import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { openApi } from "./support/api.ts";
import { brokenRules } from "./support/broken-rules.ts";
import { logIn, openBrowser, openPage, openScreen, screenshot } from "./support/browser.ts";

const target = inject("console");
/** No edge is granted to her. */
const olga = { name: "olga", password: randomBytes(15).toString("base64url") };

let browser: Browser;
beforeAll(async () => {
  const store = new SqliteStore(join(target.data!, "ledger.sqlite"));
  const accounts = new Accounts(store);
  await accounts.addUser(olga.name, olga.password);
  const { edges } = (await accounts.listUsers()).find(({ name }) => name === olga.name)!;
  for (const edge of edges) await accounts.revoke(edge, olga.name);
  await accounts.setOperator(olga.name, true);
  await store.close();
  browser = await openBrowser(target);
});
afterAll(async () => {
  await browser?.close();
  // whatever failed above: the other files' commands wait on it
  const api = await openApi(target.url, olga);
  const { data } = (await (await api.get("/operator/edges")).json()) as { data: { edge: string }[] };
  for (const { edge } of data) await api.post(`/operator/edges/${edge}/release`);
});

test("an operator holds an edge, sees who waits and releases it; nothing of what users ask is shown", async () => {
  await using seen = await openPage(browser, target.url);
  const { page } = seen;
  await logIn(page, olga);
  await openScreen(page, "Operator");
  await page.getByRole("main").locator("a.row").first().click();
  await page.getByRole("button", { name: /^Hold (?!lane)/ }).click();
  await page.getByRole("button", { name: "Hold it" }).click();
  await page.getByText("none of those that wait gets a place").waitFor();

  const api = await openApi(target.url, target.other);
  const id = await api.queue("/em/files/delete", { pod_name: "secret-volume", filepath: "secret-path" });
  const queues = page.getByRole("region", { name: /^Queues of/ });
  await queues.getByText(`of ${target.other.name}`).waitFor();
  await screenshot(page, "operator-dark", "dark");
  expect(await brokenRules(page)).toEqual([]);
  await screenshot(page, "operator-light", "light");
  expect(await brokenRules(page)).toEqual([]);
  expect(await page.locator("body").textContent()).not.toContain("secret");

  await page.getByRole("button", { name: /^Release (?!lane)/ }).click();
  await page.getByText("none of those that wait gets a place").waitFor({ state: "detached" });
  await page
    .getByRole("cell", { name: "edge release" })
    .or(page.getByRole("rowheader", { name: "edge release" }))
    .first()
    .waitFor();
  expect(await api.ended(id)).toBe("failed");
  expect(seen.complaints).toEqual([]);
});

test("who is no operator has no such screen, and finds none by its address", async () => {
  await using seen = await openPage(browser, target.url);
  const { page } = seen;
  await logIn(page, target.user);
  expect(await page.getByRole("link", { name: "Operator" }).count()).toBe(0);
  await page.goto("/console#/operator");
  await page.getByText("This is for operators").waitFor();
  expect(seen.asked.filter((address) => address.includes("/operator"))).toEqual([]);
});
