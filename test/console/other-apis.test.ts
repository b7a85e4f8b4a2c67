import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { brokenRules } from "./support/broken-rules.ts";
import { logIn, openBrowser, openPage, openScreen, screenshot } from "./support/browser.ts";

const target = inject("console");
const CREATED = "2026-05-22T20:00:00Z";
const MARKUP = "<img src=x onerror=document.title='owned'>";
const RUNNER = "abc-runner.poseidon";

/** Each kind of what other APIs make, in each of its phases. */
const HOLDINGS = [
  { dialect: "kabuto", kind: "job", name: "41", state: "queued", phase: "waits", image: MARKUP },
  { dialect: "kabuto", kind: "job", name: "42", state: "running", phase: "runs", image: "busybox" },
  { dialect: "kabuto", kind: "job", name: "43", state: "timed_out", phase: "failed", image: "busybox" },
  { dialect: "poseidon", kind: "runner", name: "10-abcd-ef", state: "ready", phase: "ready", known: RUNNER },
  { dialect: "unik", kind: "instance", name: MARKUP, state: "stopped", phase: "ended", image: "example" },
  { dialect: "unik", kind: "image", name: `a-unikernel-${"x".repeat(80)}`, bytes: 5_000_000 },
  { dialect: "kabuto", kind: "image", name: MARKUP, bytes: 1_000 },
  { dialect: "fpga", kind: "fpga-image", name: "afi-1", state: "pending", phase: "waits", bytes: 70_000 },
  { dialect: "fpga", kind: "fpga-image", name: "afi-2", state: "failed", phase: "failed", bytes: 70_000 },
].map((one) => ({ created: CREATED, ...one }));
const RUNNER_POD = {
  pod_name: RUNNER,
  image: "python",
  node: "MPU",
  age: 3,
  state: { running: { startedAt: CREATED } },
};
const ON_EDGE = {
  pods: [RUNNER_POD],
  fpga: [{ node: "FPGA", state: "loaded", loaded: { image: "afi-1", run: "run-1" } }],
  runners: [
    { environment: "10", wanted: 2, idle: 1, used: 1, reason: null },
    { environment: MARKUP, wanted: 2, idle: 0, used: 0, reason: "The edge has no room for more." },
  ],
};

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser(target);
});
afterAll(() => browser?.close());

/** As where every other API has made something: only what the browser is told is played. */
async function answerOthers(page: Page): Promise<void> {
  await page.route(/\/console\/events$/, (route) => route.fulfill({ status: 404, json: {} }));
  await page.route(/\/edge$/, async (route) => {
    const response = await route.fetch();
    const { data } = (await response.json()) as { data: object };
    return route.fulfill({ response, json: { data: { ...data, ...ON_EDGE } } });
  });
  await page.route(/\/edge\/holdings$/, (route) =>
    route.fulfill({ json: { data: { items: HOLDINGS, truncated: false } } }),
  );
}

/** What is to be read on each screen. */
const SHOWN: Record<string, string[]> = {
  Overview: ["The edge has no room for more.", "afi-1", "Job 41"],
  Pods: ["Job 41", "Job 42", "Job 43", "10-abcd", MARKUP, "Timed out"],
  Images: [HOLDINGS[5]!.name, MARKUP, "afi-1", "afi-2", "Pending"],
};

test("what other APIs made breaks no rule of accessibility in either theme, and is text alone", async () => {
  await using seen = await openPage(browser, target.url, { reducedMotion: "reduce" });
  const { page } = seen;
  await answerOthers(page);
  await logIn(page, target.other);
  const broken: string[][] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1440, 360]) {
      await page.setViewportSize({ width, height: 900 });
      for (const [name, texts] of Object.entries(SHOWN)) {
        await openScreen(page, name);
        for (const text of texts) await page.getByRole("main").getByText(text).first().waitFor();
        broken.push(await brokenRules(page));
        expect(await page.evaluate("document.documentElement.scrollWidth"), name).toBeLessThanOrEqual(width);
        await screenshot(page, `others-${name.toLowerCase()}-${width}-${colorScheme}`);
      }
    }
    await page.goto(`/console#/pods/${RUNNER}`);
    await page.getByText("Made by the Poseidon API: there it is stopped and run again.").waitFor();
    broken.push(await brokenRules(page));
    await screenshot(page, `others-pod-${colorScheme}`);
  }
  expect(broken.flat()).toEqual([]);
  expect(await page.locator("img[src=x]").count()).toBe(0);
  expect(await page.title()).toBe("Pods · Perigee");
  expect(seen.complaints).toEqual([]);
});
