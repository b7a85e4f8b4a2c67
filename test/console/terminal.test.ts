import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openApi } from "./support/api.ts";
import { brokenRules } from "./support/broken-rules.ts";
import { logIn, openBrowser, openPage } from "./support/browser.ts";

const target = inject("console");
const POD = "terminal-pod";

let browser: Browser;
beforeAll(async () => {
  const api = await openApi(target.url, target.user);
  await api.form("/em/pod/run", {
    pod_name: POD,
    image: process.env.PERIGEE_TEST_IMAGE || "busybox:latest",
    node: "MPU",
    max_duration: "5",
    // ends when it is told to: a shell that waits for its sleep would take the whole grace
    command: "sh -c \"trap 'exit 0' TERM; sleep 300 & wait\"",
  });
  browser = await openBrowser(target);
});
afterAll(async () => {
  await browser?.close();
  const api = await openApi(target.url, target.user);
  await api.form("/em/pod/stop", { pod_name: POD });
});

test("a terminal in a pod: colours, keys, and a way out by keyboard", async () => {
  await using seen = await openPage(browser, target.url);
  const { page, complaints } = seen;
  const tickets: string[] = [];
  page.on("websocket", (socket) => tickets.push(new URL(socket.url()).searchParams.get("ticket") ?? ""));
  await logIn(page, target.user);
  const before = seen.asked.filter((address) => /terminal/.test(address));
  expect(before).toEqual([]);
  await page.goto(`/console#/pods/${POD}`);
  await page.getByRole("button", { name: "Terminal" }).click();
  const terminal = page.getByRole("region", { name: `Terminal in ${POD}` });
  await terminal.getByText("Running", { exact: true }).waitFor();
  // 24-bit colours, which xterm.js would put into style attributes
  await page.keyboard.type("printf '\\033[38;2;10;200;90mgre''en\\033[0m\\n'; echo \"a<b>$((6*7))\"\n");
  const rows = terminal.locator(".xterm-rows");
  await rows.getByText("a<b>42").first().waitFor();
  const green = rows.locator("span", { hasText: /^green$/ });
  expect(await green.evaluate((one: { style: { color: string } }) => one.style.color)).toBe(
    "rgb(10, 200, 90)",
  );
  expect(await brokenRules(page, "terminal")).toEqual([]);
  await page.keyboard.press("Shift+Escape");
  expect(await page.evaluate("document.activeElement?.textContent")).toBe("Close");
  await terminal.getByText("Running", { exact: true }).click();
  await terminal.locator("textarea").focus();
  await page.keyboard.type("exit 3\n");
  await terminal.getByText("It has ended with code 3.").waitFor();
  await terminal.getByRole("button", { name: "Close" }).click();
  await terminal.waitFor({ state: "detached" });
  expect(complaints).toEqual([]);
  expect(tickets).toHaveLength(1);
  expect(tickets[0]!.length).toBeGreaterThan(20);
  // it was good for one use, and is in no request of another kind
  expect(seen.asked.join()).not.toContain(tickets[0]);
});
