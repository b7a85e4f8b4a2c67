import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { heard, logIn, openBrowser, openPage, openScreen } from "./support/browser.ts";

const target = inject("console");
const PART_BYTES = 8 * 1024 * 1024;
const VOLUME = "resumed";

let browser: Browser;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "perigee-dropped-"));
  browser = await openBrowser(target);
});
afterAll(async () => {
  await browser?.close();
  rmSync(directory, { recursive: true, force: true });
});

test("an uplink that was cut goes on after a reload: what had arrived is not sent again", async () => {
  await using seen = await openPage(browser, target.url);
  const { page } = seen;
  // on the disk: what is handed over in memory takes the browser's driver seconds
  const file = join(directory, "frames.bin");
  writeFileSync(file, Buffer.alloc(PART_BYTES + 1, "frame "));
  /** where its parts arrived */
  const sent: string[] = [];
  page.on("response", (answer) => {
    const request = answer.request();
    if (request.method() === "PUT") sent.push(placeOf(request.url()));
  });
  const second = /\/staging\/.*[?&]part(Number)?=2(&|$)/;
  await page.route(second, (route) => route.abort());
  await logIn(page, target.user);
  await openScreen(page, "Files");
  await page.getByLabel("Name of a new volume").fill(VOLUME);
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByTestId("uplink-files").setInputFiles(file);
  await page.getByText("Send the same files again to go on where it stopped.").waitFor();
  expect(sent).toHaveLength(1);

  await page.unroute(second);
  const before = seen.asked.length;
  await page.reload();
  await heard(page);
  // the page has asked for these first of all, and does not do so again
  const asked = seen.asked.slice(before).map((address) => new URL(address).pathname);
  expect(asked.filter((path) => path === "/edges" || path === "/console/events").sort()).toEqual([
    "/console/events",
    "/edges",
  ]);
  await page.getByTestId("uplink-files").setInputFiles(file);
  await page
    .getByRole("region", { name: `Files of ${VOLUME}` })
    .getByText("frames.bin")
    .waitFor();
  expect([sent.length, new Set(sent).size]).toEqual([2, 2]);

  // a folder that is dropped comes with what is in it
  const folder = join(directory, "dropped");
  mkdirSync(folder);
  writeFileSync(join(folder, "inside.txt"), "inside\n");
  const { x, y, width, height } = (await page.locator(".drop").boundingBox())!;
  const over = await page.context().newCDPSession(page);
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await over.send("Input.dispatchDragEvent", {
      type,
      x: x + width / 2,
      y: y + height / 2,
      data: { items: [], files: [folder], dragOperationsMask: 1 },
    });
  }
  const files = page.getByRole("region", { name: `Files of ${VOLUME}` });
  await files.getByRole("button", { name: "dropped", exact: true }).click();
  await files.getByText("inside.txt").waitFor();
});

/** Which part an address is for: it is signed anew each time. */
function placeOf(address: string): string {
  const { pathname, searchParams } = new URL(address);
  searchParams.delete("expires");
  searchParams.delete("signature");
  return `${pathname}?${searchParams}`;
}
