import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ociArchive, tarOf } from "#test/support/saved-archive.ts";
import {
  contentOf,
  logIn,
  openBrowser,
  openPage,
  openScreen,
  type Seen,
  screenshot,
} from "./support/browser.ts";

const target = inject("console");
const POD = "console-job";
const DOCKERFILE = `FROM ${process.env.PERIGEE_TEST_IMAGE || "busybox:latest"}\nRUN echo built-here\nCMD ["sh", "-c", "for i in 1 2 3; do echo line $i; done; echo oh >&2; cat /data/read-me.txt; sleep 600"]\n`;
/** Of one pixel. */
const PICTURE = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");

let browser: Browser;
let seen: Seen;
beforeAll(async () => {
  browser = await openBrowser(target);
  seen = await openPage(browser, target.url);
});
afterAll(async () => {
  // what was seen last, for whoever looks for why a test failed
  if (seen) await screenshot(seen.page, "last");
  await browser?.close();
});

test("the whole way: files up, an image, a pod with its log, files down, all of it deleted", async () => {
  const { page } = seen;
  const opened = await page.goto("/");
  expect(page.url()).toBe(`${target.url}/console`);
  const policy = opened!.headers()["content-security-policy"]!;
  const storage = [.../connect-src 'self'([^;]*);/.exec(policy)![1]!.matchAll(/\S+/g)].map(([one]) => one);
  expect(storage).toHaveLength(target.storage ? 1 : 0);
  await screenshot(page, "log-in");
  await page.getByLabel("User").fill(target.user.name);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("User or password is wrong.").waitFor();
  await logIn(page, target.user);
  await page.getByRole("heading", { name: "Under way" }).waitFor();

  await openScreen(page, "Files");
  await page.getByLabel("Name of a new volume").fill(POD);
  await page.getByRole("button", { name: "Add" }).click();
  const archive = await ociArchive({
    tags: ["console-loaded:latest"],
    layers: [await tarOf([{ name: "hello", content: "hello" }])],
  });
  await page.getByTestId("uplink-files").setInputFiles([
    { name: "Dockerfile", mimeType: "text/plain", buffer: Buffer.from(DOCKERFILE) },
    { name: "read-me.txt", mimeType: "text/plain", buffer: Buffer.from("hello, orbit\n") },
    { name: "picture.gif", mimeType: "image/gif", buffer: PICTURE },
    { name: "saved.tar", mimeType: "application/x-tar", buffer: archive },
  ]);
  const files = page.getByRole("region", { name: `Files of ${POD}` });
  await files.getByText("Dockerfile").waitFor();
  await files.getByText("read-me.txt").click();
  await page.getByRole("button", { name: "Bring it down" }).click();
  await page.getByText("hello, orbit").waitFor();
  await screenshot(page, "files");
  await files.getByText("picture.gif").click();
  await page.getByRole("button", { name: "Bring it down" }).click();
  const picture = page.getByRole("img", { name: "picture.gif" });
  await expect.poll(() => picture.evaluate((one: { naturalWidth: number }) => one.naturalWidth)).toBe(1);

  await openScreen(page, "Images");
  await page.getByRole("link", { name: "Build", exact: true }).click();
  await page.getByRole("button", { name: "Build it" }).click();
  await page.getByText("This is needed").first().waitFor();
  await page.getByLabel("Volume").fill(POD);
  // from the volume's tree
  await page.locator("#make-files option[value=Dockerfile]").waitFor({ state: "attached" });
  await page.getByLabel("Name of the image").fill("console-image");
  await page.getByRole("button", { name: "Build it" }).click();
  await page.getByRole("region", { name: "Lines of the log" }).getByText("built-here").first().waitFor();
  const detail = page.getByRole("region", { name: "Build image" });
  await detail.getByText("Succeeded").first().waitFor();
  await screenshot(page, "build");

  await openScreen(page, "Images");
  await page.getByRole("link", { name: "Load", exact: true }).click();
  await page.getByLabel("Volume").fill(POD);
  await page.getByLabel("Archive").fill("saved.tar");
  await page.getByLabel("Name of the image").fill("console-loaded");
  await page.getByRole("button", { name: "Load it" }).click();
  await page.getByRole("region", { name: "Load image" }).getByText("Succeeded").first().waitFor();

  await openScreen(page, "Images");
  await page.getByRole("link", { name: "Run console-image:latest" }).click();
  await page.getByRole("button", { name: "Run it" }).click();
  await page.getByText("Small letters, digits and hyphens").waitFor();
  await page.getByLabel("Pod", { exact: true }).fill(POD);
  await page.getByRole("button", { name: "Run it" }).click();
  const lines = page.getByRole("region", { name: "Lines of the log" });
  await lines.getByText("line 3").waitFor();
  await page.getByRole("region", { name: POD }).getByText("Running").first().waitFor();
  await screenshot(page, "pod");
  await page.getByLabel("Stream").selectOption("stderr");
  await page.getByText("1 of 5 lines").waitFor();
  expect(await lines.locator("li").allInnerTexts()).toEqual([expect.stringMatching(/err\s*oh$/)]);
  const log = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download" }).click();
  expect((await contentOf(await log)).toString()).toMatch(/^\S+ oh\n$/);
  await screenshot(page, "pod-stderr");

  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("button", { name: "Stop it" }).click();
  await page.getByRole("region", { name: POD }).getByText("Stopped", { exact: true }).waitFor();
  await page.getByRole("region", { name: POD }).getByRole("button", { name: "Run again" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run again" }).click();
  await page.getByRole("region", { name: POD }).getByText("Running").first().waitFor();
  await lines.getByText("hello, orbit").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("button", { name: "Stop it" }).click();
  await page.getByRole("region", { name: POD }).getByText("Stopped", { exact: true }).waitFor();

  await openScreen(page, "Images");
  for (const image of ["console-loaded:latest", "console-image:latest"]) {
    await page.getByRole("button", { name: `Delete ${image}` }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.getByRole("main").getByText(image).waitFor({ state: "detached" });
  }
  await page.getByText("You have no images on this edge").waitFor();

  await openScreen(page, "Files");
  await page.getByRole("combobox", { name: "Volume" }).selectOption(POD);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download read-me.txt" }).click();
  expect((await download).suggestedFilename()).toBe("read-me.txt");
  await page.getByRole("button", { name: "Delete read-me.txt" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await files.getByText("read-me.txt").waitFor({ state: "detached" });

  await openScreen(page, "Commands");
  const list = page.getByRole("region", { name: "Commands, newest first" });
  await list.getByText("Build image").waitFor();
  await page.getByLabel("Operation").selectOption("image.build");
  await page.getByText("1 shown").waitFor();
  await list.getByText("Build image").click();
  await page.getByText("Taken by the edge").waitFor();
  await screenshot(page, "commands");

  await openScreen(page, "Timeline");
  await page
    .getByRole("link", { name: `Run pod ${POD}: Succeeded` })
    .first()
    .waitFor();
  await screenshot(page, "timeline");
  await openScreen(page, "Overview");
  await screenshot(page, "overview");
  expect(seen.complaints).toEqual([]);
  const allowed = [target.url, ...storage];
  expect(seen.asked.filter((address) => !allowed.includes(originOf(address)))).toEqual([]);
});

/** Of what a page made itself (`blob:`) too. */
function originOf(address: string): string {
  return new URL(address.replace(/^blob:/, "")).origin;
}
