import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openLink } from "../live/support/link.ts";
import { openApi } from "./support/api.ts";
import { brokenRules } from "./support/broken-rules.ts";
import { logIn, openBrowser, openPage, openScreen, screenshot } from "./support/browser.ts";

const target = inject("console");
const SCREENS = ["Overview", "Commands", "Pods", "Images", "Files", "Timeline"];
const VOLUME = "hostile";
const POD = "hostile-pod";
/** Names and texts of somebody who wants them to run. */
const HOSTILE = [
  "<img src=x onerror=document.title='owned'>.txt",
  "\"><svg onload=document.title='owned'>.txt",
  "javascript:document.title='owned'",
  "'-alert(1)-'{{constructor.constructor('alert(1)')()}}.html",
  "\u202egnp.exe",
];
/** Without double quotes, which the text of a command would take away. */
const MARKUP = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>";

let browser: Browser;
beforeAll(async () => {
  const api = await openApi(target.url, target.user);
  await api.send(VOLUME, Object.fromEntries(HOSTILE.map((name) => [name, MARKUP])));
  await api.form("/em/pod/run", {
    pod_name: POD,
    image: process.env.PERIGEE_TEST_IMAGE || "busybox:latest",
    node: "MPU",
    max_duration: "5",
    envs: JSON.stringify({ MARKUP }),
    command: 'sh -c "echo \\"$MARKUP\\"; echo the-end; sleep 300"',
  });
  browser = await openBrowser(target);
});
afterAll(async () => {
  await browser?.close();
  const api = await openApi(target.url, target.user);
  await api.form("/em/pod/stop", { pod_name: POD });
});

test("nothing that a user or a pod has written becomes a part of the page", async () => {
  await using seen = await openPage(browser, target.url);
  const { page, complaints } = seen;
  await logIn(page, target.user);
  await openScreen(page, "Files");
  await page.getByRole("combobox", { name: "Volume" }).selectOption(VOLUME);
  await page.getByRole("button", { name: "List them" }).click();
  const files = page.getByRole("region", { name: `Files of ${VOLUME}` });
  for (const name of HOSTILE) await files.getByText(name, { exact: true }).waitFor();
  await files.getByText(HOSTILE[0]!, { exact: true }).click();
  await page.getByRole("button", { name: "Bring it down" }).click();
  await page.locator("pre").getByText(MARKUP, { exact: true }).waitFor();
  await openScreen(page, "Commands");
  await page.getByText(HOSTILE[0]!).first().click();
  await page.getByRole("heading", { name: "Input" }).waitFor();
  await openScreen(page, "Pods");
  await page.getByText(POD, { exact: true }).click();
  const log = page.getByRole("region", { name: "Lines of the log" });
  await log.getByText("the-end", { exact: true }).waitFor();
  await log.getByText(MARKUP, { exact: true }).waitFor();
  expect(await page.title()).toBe("Pods · Perigee");
  expect(await page.locator("main script, main iframe, img[src=x], svg[onload]").count()).toBe(0);
  expect(complaints).toEqual([]);
});

test("no token is in an address or outlives the tab, and another user sees nothing of the first", async () => {
  const seen = await openPage(browser, target.url);
  await logIn(seen.page, target.other);
  const text = [];
  for (const name of SCREENS) {
    await openScreen(seen.page, name);
    text.push(await seen.page.locator("body").textContent());
  }
  expect(text.join("\n")).not.toContain(VOLUME);
  await seen.page.goto(`/console#/pods/${POD}`);
  await seen.page.getByText("The edge has not reported this pod yet.").waitFor();
  const access = await seen.page.evaluate("JSON.parse(sessionStorage.getItem('perigee.session')).access");
  expect(access).toMatch(/^eyJ/);
  expect(seen.asked.join("\n")).not.toContain(access);
  expect(await seen.page.evaluate("Object.keys(localStorage).length + document.cookie.length")).toBe(0);
  await seen.page.getByRole("button", { name: "Log out" }).click();
  await seen.page.getByRole("button", { name: "Log in" }).waitFor();
  expect(await seen.page.evaluate("sessionStorage.length")).toBe(0);
  await seen.close();
});

test("a cut connection shows, and heals by itself", async () => {
  const link = await openLink(target.url);
  const seen = await openPage(browser, link.url);
  await logIn(seen.page, target.user);
  link.silent = true;
  await seen.page.getByText("The ground does not answer.").waitFor();
  await screenshot(seen.page, "cut");
  link.silent = false;
  link.cut();
  await seen.page.getByRole("banner").getByText("Live", { exact: true }).waitFor();
  await seen.page.getByText("The ground does not answer.").waitFor({ state: "detached" });
  await seen.close();
  link.close();
});

test("by keyboard alone: log in, look through the screens, run a form and hear what is wrong", async () => {
  const seen = await openPage(browser, target.url);
  const { page } = seen;
  await page.goto("/console");
  await page.getByLabel("User").waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.type(target.user.name);
  await page.keyboard.press("Tab");
  await page.keyboard.type(target.user.password);
  await page.keyboard.press("Enter");
  await page.getByRole("banner").getByText("Live", { exact: true }).waitFor();
  await tabTo(page, "Pods");
  await page.keyboard.press("Enter");
  await page.getByRole("main", { name: "Pods" }).waitFor();
  await tabTo(page, "Run a pod");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Run a pod" }).waitFor();
  await tabTo(page, "Run it");
  await page.keyboard.press("Enter");
  await page.getByText("Which image is it to run?").waitFor();
  // where the first field is wrong, there one goes on
  expect(await focused(page)).toBe("run-pod");
  await seen.close();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`no screen breaks a rule of accessibility: ${colorScheme}`, async () => {
    const seen = await openPage(browser, target.url, { colorScheme, reducedMotion: "reduce" });
    const { page } = seen;
    await page.goto("/console");
    await page.getByLabel("User").waitFor();
    const broken = [await brokenRules(page)];
    await screenshot(page, `log-in-${colorScheme}`);
    await logIn(page, target.user);
    await page.getByRole("heading", { name: "Under way" }).waitFor();
    for (const name of SCREENS) {
      await openScreen(page, name);
      broken.push(await brokenRules(page));
      await screenshot(page, `${name.toLowerCase()}-${colorScheme}`);
    }
    for (const path of ["pods/-new", `pods/${POD}`, "images/build", `files/${VOLUME}`, "errors/LOCKED"]) {
      await page.goto(`/console#/${path}`);
      await page.getByRole("main").locator(".detail, .drop, .table").first().waitFor();
      broken.push(await brokenRules(page));
      await screenshot(page, `${path.replaceAll("/", "-")}-${colorScheme}`);
    }
    await page.setViewportSize({ width: 2560, height: 1440 });
    for (const name of ["Overview", "Timeline"]) {
      await openScreen(page, name);
      await screenshot(page, `wall-${name.toLowerCase()}-${colorScheme}`);
    }
    await page.setViewportSize({ width: 360, height: 740 });
    for (const name of SCREENS) {
      await openScreen(page, name);
      broken.push(await brokenRules(page));
      expect(await page.evaluate("document.documentElement.scrollWidth"), name).toBeLessThanOrEqual(360);
      await screenshot(page, `phone-${name.toLowerCase()}-${colorScheme}`);
    }
    expect(broken.flat()).toEqual([]);
    expect(seen.complaints).toEqual([]);
    await seen.close();
  });
}

/** Presses Tab until the control of this name has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate("document.activeElement?.textContent.trim()")) === name) return;
  }
  throw new Error(`Tab does not lead to ${name}`);
}

async function focused(page: Page): Promise<unknown> {
  return page.evaluate("document.activeElement?.id");
}
