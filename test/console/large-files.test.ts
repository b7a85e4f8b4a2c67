import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { contentOf, logIn, openBrowser, openPage, openScreen } from "./support/browser.ts";

const target = inject("console");
const VOLUME = "console-large";
/** More than passes through a function URL, so that it comes and goes by signed URLs of the storage there. */
const CONTENT = Buffer.alloc(6 << 20, "<script>document.title='owned'</script>");

let browser: Browser;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-large-"));
  browser = await openBrowser(target);
});
afterAll(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

test("a file larger than the ground takes in one piece goes up and comes down whole", async () => {
  const seen = await openPage(browser, target.url);
  const { page } = seen;
  await logIn(page, target.user);
  await openScreen(page, "Files");
  await page.getByLabel("Name of a new volume").fill(VOLUME);
  await page.getByRole("button", { name: "Add" }).click();
  // on the disk: what is handed over in memory takes the browser's driver seconds
  const file = join(directory, "large.html");
  writeFileSync(file, CONTENT);
  await page.getByTestId("uplink-files").setInputFiles(file);
  await page
    .getByRole("region", { name: `Files of ${VOLUME}` })
    .getByText("large.html")
    .waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download large.html" }).click(),
  ]);
  expect((await contentOf(download)).equals(CONTENT)).toBe(true);
  // it was brought down by that, and is more than is looked at here
  await page.getByRole("link", { name: "large.html" }).click();
  await page.getByText("too large to be shown here").waitFor();
  expect(seen.complaints).toEqual([]);
  await seen.close();
});
