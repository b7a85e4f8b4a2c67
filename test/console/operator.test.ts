import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { SqliteStore } from "#lambdas/adapters/sqlite/store.ts";
import { Accounts } from "#lambdas/auth/accounts.ts";
import { openApi } from "./support/api.ts";
import { brokenRules } from "./support/broken-rules.ts";
import { logIn, openBrowser, openPage, openScreen } from "./support/browser.ts";

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
  expect(await brokenRules(page, "operator")).toEqual([]);
  expect(await page.locator("body").textContent()).not.toContain("secret");
  // on a phone each lane's button is in sight
  const wide = page.viewportSize()!;
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await brokenRules(page, "phone-operator")).toEqual([]);
  const hidden =
    "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.detail .scroll-x'))";
  expect(await page.evaluate(hidden)).toBe(0);
  await page.setViewportSize(wide);

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

test("where an edge is held, who waits is told so, and cancels all that a filter leaves", async () => {
  const operator = await openApi(target.url, olga);
  const { data } = (await (await operator.get("/operator/edges")).json()) as { data: { edge: string }[] };
  for (const { edge } of data) await operator.post(`/operator/edges/${edge}/hold`);
  const api = await openApi(target.url, target.other);
  const ids: string[] = [];
  for (const pod_name of ["one", "two", "three"]) ids.push(await api.queue("/em/files/list", { pod_name }));
  const other = await api.queue("/em/files/delete", { pod_name: "four", filepath: "a" });

  await using seen = await openPage(browser, target.url);
  const { page } = seen;
  await logIn(page, target.other);
  await page.getByText("Your operator has held this edge").waitFor();
  await page.goto(`/console#/commands/${other}`);
  const detail = page.getByRole("region", { name: "Delete file" });
  await detail.getByText("Your operator holds this edge").waitFor();
  await page.getByRole("link", { name: "Close the detail" }).click();
  await page.getByLabel("Operation").selectOption("volume.list");
  await page.getByLabel("State").selectOption("open");
  await page.getByText("3 shown").waitFor();
  await page.getByRole("button", { name: "Cancel 3" }).click();
  await page.getByRole("button", { name: "Cancel them" }).click();
  await page.getByText("No command fits the filter").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  for (const id of ids) expect(await api.ended(id)).toBe("cancelled");

  for (const { edge } of data) await operator.post(`/operator/edges/${edge}/release`);
  expect(await api.ended(other)).toBe("failed");
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
