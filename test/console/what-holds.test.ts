import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openLink } from "../live/support/link.ts";
import { openApi } from "./support/api.ts";
import { brokenRules } from "./support/broken-rules.ts";
import { heard, logIn, openBrowser, openPage, openScreen, screenshot } from "./support/browser.ts";

const target = inject("console");
const SCREENS = ["Overview", "Commands", "Pods", "Images", "Files", "Timeline"];
const VOLUME = "hostile";
/** Not listed by anybody yet. */
const UNLISTED = "not-listed";
const POD = "hostile-pod";
/** Names and texts of somebody who wants them to run. */
const HOSTILE = [
  "<img src=x onerror=document.title='owned'>.txt",
  "\"><svg onload=document.title='owned'>.txt",
  "javascript:document.title='owned'",
  "'-alert(1)-'{{constructor.constructor('alert(1)')()}}.html",
  "\u202egnp.exe",
];
const DETAILS = [
  "pods/-new",
  `pods/${POD}`,
  "images/build",
  "images/load",
  `files/${VOLUME}`,
  `files/${VOLUME}/${encodeURIComponent(HOSTILE[0]!)}`,
  "errors/LOCKED",
];
/** Without double quotes, which the text of a command would take away. */
const MARKUP = "<script>document.title='owned'</script><img src=x onerror=document.title='owned'>";

let browser: Browser;
/** a command that failed, with such a name in its error */
let failed: string;
beforeAll(async () => {
  const api = await openApi(target.url, target.user);
  failed = await api.queue("/em/files/delete", { pod_name: VOLUME, filepath: `missing ${HOSTILE[0]}` });
  await api.ended(failed);
  await api.send(VOLUME, Object.fromEntries(HOSTILE.map((name) => [name, MARKUP])));
  await api.send(UNLISTED, { "only.txt": "" });
  await api.form("/em/files/list", { pod_name: VOLUME });
  await api.form("/em/pod/run", {
    pod_name: POD,
    image: process.env.PERIGEE_TEST_IMAGE || "busybox:latest",
    node: "MPU",
    max_duration: "5",
    envs: JSON.stringify({ MARKUP }),
    command: 'sh -c "echo \\"$MARKUP\\"; echo the-end; trap \'exit 0\' TERM; sleep 300 & wait"',
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
  await page.getByRole("combobox", { name: "Volume" }).selectOption(UNLISTED);
  await page.getByRole("button", { name: "List them" }).click();
  await page.getByText("only.txt").waitFor();
  await page.getByRole("combobox", { name: "Volume" }).selectOption(VOLUME);
  const files = page.getByRole("region", { name: `Files of ${VOLUME}` });
  for (const name of HOSTILE) await files.getByText(name, { exact: true }).waitFor();
  await files.getByText(HOSTILE[0]!, { exact: true }).click();
  await page.getByRole("button", { name: "Bring it down" }).click();
  await page.locator("pre").getByText(MARKUP, { exact: true }).waitFor();
  await openScreen(page, "Commands");
  await page.getByText(HOSTILE[0]!).first().click();
  await page.getByRole("heading", { name: "Input" }).waitFor();
  await page.goto(`/console#/commands/${failed}`);
  await page.getByRole("note").getByText(HOSTILE[0]!).first().waitFor();
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
  // one that has ended is renewed, also where the page has asked with it first of all
  await seen.page.evaluate(
    "sessionStorage.setItem('perigee.session', sessionStorage.getItem('perigee.session').replace('eyJ', 'ended-'))",
  );
  await seen.page.reload();
  await heard(seen.page);
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
  await heard(seen.page);
  await seen.page.getByText("The ground does not answer.").waitFor({ state: "detached" });
  await seen.close();
  link.close();
});

test("by keyboard alone: every control is reached and shows it, and a detail leads in and back", async () => {
  await using seen = await openPage(browser, target.url);
  const { page } = seen;
  await page.goto("/console");
  await page.getByLabel("User").waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.type(target.user.name);
  await page.keyboard.press("Tab");
  await page.keyboard.type(target.user.password);
  await page.keyboard.press("Enter");
  await heard(page);
  await page.evaluate(REACHED);
  expect(await unreached(page, "body")).toEqual([]);
  for (const name of SCREENS.slice(1)) {
    await tabTo(page, name, ".brand");
    await page.keyboard.press("Enter");
    await page.getByRole("main", { name }).waitFor();
    expect(await unreached(page, "main"), name).toEqual([]);
  }

  // the axis, and the same in words
  await tabTo(page, "7 d", "main");
  await page.keyboard.press("Space");
  await page.locator("button[aria-pressed=true]", { hasText: "7 d" }).waitFor();
  await tabTo(page, "The same as a table");
  await page.keyboard.press("Enter");
  await page.getByRole("table", { name: /^Commands, runs/ }).waitFor();

  // a form says what is wrong, and one goes on where it is
  await page.goto("/console#/pods");
  await tabTo(page, "Run a pod");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Run a pod" }).waitFor();
  await tabTo(page, "Run it");
  await page.keyboard.press("Enter");
  await page.getByText("Which image is it to run?").waitFor();
  expect(await focused(page)).toBe("run-pod");
  expect(await unreached(page, "main")).toEqual([]);

  // into a file and back, and a question that is answered with no
  await page.goto(`/console#/files/${VOLUME}`);
  const file = HOSTILE[0]!;
  await page
    .getByRole("region", { name: `Files of ${VOLUME}` })
    .getByText(file)
    .waitFor();
  await tabTo(page, file);
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: file }).waitFor();
  await expect.poll(() => page.evaluate("document.activeElement.className")).toContain("detail");
  await tabTo(page, /^Bring it down/);
  await page.keyboard.press("Enter");
  await page.locator("pre").getByText(MARKUP, { exact: true }).waitFor();
  expect(await unreached(page, "main")).toEqual([]);
  await tabTo(page, "Close the file", ".detail");
  await page.keyboard.press("Enter");
  await expect.poll(() => focusedName(page)).toBe(file);
  await tabTo(page, `Delete ${file}`);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await focusedName(page)).toBe(`Delete ${file}`);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  expect(await focusedName(page)).toBe("Keep it");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(await focusedName(page)).toBe(`Delete ${file}`);

  // back to the line of a command also where another has taken its place meanwhile
  const lineOf = (id: string) => page.locator(`main a[href="#/commands/${id}"]`);
  await openScreen(page, "Commands");
  await lineOf(failed).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "Delete file" }).waitFor();
  const api = await openApi(target.url, target.user);
  await lineOf(await api.queue("/em/files/delete", { pod_name: VOLUME, filepath: "missing" })).waitFor();
  await tabTo(page, "Close the detail", ".detail");
  await page.keyboard.press("Enter");
  await expect
    .poll(() => page.evaluate("document.activeElement.getAttribute('href')"))
    .toBe(`#/commands/${failed}`);

  // a command and its log are reached from its line, not through all that are below it
  await page.goto(`/console#/pods/${POD}`);
  await page
    .getByRole("region", { name: "Lines of the log" })
    .getByText("the-end", { exact: true })
    .waitFor();
  expect(await unreached(page, "main")).toEqual([]);
  await tabTo(page, "Log out", ".brand");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Log in" }).waitFor();
});

test("no screen breaks a rule of accessibility, in either theme", async () => {
  await using seen = await openPage(browser, target.url);
  const { page } = seen;
  await page.goto("/console");
  await page.getByLabel("User").waitFor();
  const broken = [await brokenRules(page, "log-in")];
  await logIn(page, target.user);
  await page.getByRole("heading", { name: "Under way" }).waitFor();
  for (const name of SCREENS) {
    await openScreen(page, name);
    broken.push(await brokenRules(page, name.toLowerCase()));
  }
  for (const path of DETAILS) {
    await page.goto(`/console#/${path}`);
    await page.getByRole("main").locator(".detail, .drop, .table").first().waitFor();
    broken.push(
      await brokenRules(page, path.split("/").slice(0, 2).join("-") + (path.split("/")[2] ? "-preview" : "")),
    );
  }
  await page.goto(`/console#/commands/${failed}`);
  await page.getByRole("note").waitFor();
  broken.push(await brokenRules(page, "command"));
  // what the ground refuses, and a question
  await page.goto("/console#/images/build");
  await page.getByLabel("Volume").fill("no such volume");
  await page.getByLabel("Name of the image").fill("some-image");
  await page.getByRole("button", { name: "Build it" }).click();
  await page.getByText("What it means").click();
  await page.getByText("A field is missing or breaks its rule").waitFor();
  expect(await page.getByLabel("Volume").inputValue()).toBe("no such volume");
  await page.goto(`/console#/files/${VOLUME}`);
  await page.getByRole("button", { name: `Delete ${HOSTILE[0]}` }).click();
  await page.getByRole("dialog").waitFor();
  broken.push(await brokenRules(page, "question"));
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Close this notice" }).click();
  await page.setViewportSize({ width: 2560, height: 1440 });
  for (const name of ["Overview", "Timeline"]) {
    await openScreen(page, name);
    await screenshot(page, `wall-${name.toLowerCase()}`);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  for (const name of SCREENS) {
    await openScreen(page, name);
    broken.push(await brokenRules(page, `phone-${name.toLowerCase()}`));
    expect(await page.evaluate("document.documentElement.scrollWidth"), name).toBeLessThanOrEqual(360);
  }
  expect(broken.flat()).toEqual([]);
  expect(seen.complaints).toEqual([]);
});

/** Notes which controls get the focus, and which of them do not show it. */
const REACHED = `
  window.reached = new Set();
  window.unseen = new Set();
  document.addEventListener("focusin", ({ target }) => {
    reached.add(target);
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    if (outlineStyle === "none" || parseFloat(outlineWidth) < 2) unseen.add(target);
  });
  window.controlsIn = (where) => [
    ...document.querySelector(where).querySelectorAll(
      "a[href], button, input, select, textarea, summary, [tabindex='0']",
    ),
  ].filter((one) => !one.disabled && one.checkVisibility());
  window.wordsOf = (one) => one.getAttribute("aria-label") ?? one.textContent.trim().slice(0, 60);
`;

/** Which controls of a part of the page Tab does not lead to, or that do not show that they have the focus. */
async function unreached(page: Page, where: "body" | "main"): Promise<unknown> {
  await page.evaluate(`
    reached.clear();
    unseen.clear();
    window.wanted = new Set(controlsIn(${JSON.stringify(where)}));
    document.querySelector("main").focus();
  `);
  // rows of a list come and go meanwhile
  const left = "[...wanted].filter((one) => one.isConnected && !reached.has(one))";
  for (let presses = 0; presses < 400; presses += 20) {
    if ((await page.evaluate(`${left}.length`)) === 0) break;
    for (let n = 0; n < 20; n++) await page.keyboard.press("Tab");
  }
  return page.evaluate(`
    [...${left}, ...[...unseen].filter((one) => one !== document.querySelector("main"))].map(wordsOf)
  `);
}

/** Presses Tab until the control of this name has the focus; from this part of the page, not through all rows before it. */
async function tabTo(page: Page, name: string | RegExp, from?: string): Promise<void> {
  if (from !== undefined) await page.evaluate(`document.querySelector(${JSON.stringify(from)}).focus()`);
  for (let presses = 0; presses < 200; presses++) {
    await page.keyboard.press("Tab");
    const now = String(await focusedName(page));
    if (typeof name === "string" ? now === name : name.test(now)) return;
  }
  throw new Error(`Tab does not lead to ${name}`);
}

function focusedName(page: Page): Promise<unknown> {
  return page.evaluate(
    "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()",
  );
}

async function focused(page: Page): Promise<unknown> {
  return page.evaluate("document.activeElement?.id");
}
