import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { brokenRules } from "./support/broken-rules.ts";
import { logIn, openBrowser, openPage, openScreen } from "./support/browser.ts";

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
/** So long ago (minutes), as the axis is of now. */
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const MADE = { edge: "em", attempts: 1, created_at: ago(20), queued_at: ago(20), claimed_at: ago(18) };
const COMMANDS = [
  {
    ...MADE,
    command_id: `01J${"0".repeat(22)}9`,
    lane: "unik",
    operation: "image.build",
    state: "failed",
    input: { image: MARKUP },
    ended_at: ago(12),
    error: { code: "BUILD_FAILED", message: `${MARKUP} failed`, log_tail: [`${MARKUP}\n`] },
  },
  {
    ...MADE,
    command_id: `01J${"0".repeat(22)}8`,
    lane: "kabuto",
    operation: "pod.run",
    state: "running",
    input: { pod: "job-42" },
    progress: { phase: MARKUP, done: 1, total: 2, unit: "bytes" },
  },
  {
    ...MADE,
    command_id: `01J${"0".repeat(22)}7`,
    lane: "em",
    operation: "pod.run",
    state: "succeeded",
    input: { pod: "later", scheduledAt: Date.now() + 5 * 60_000, maxMs: 60_000 },
    ended_at: ago(11),
  },
  // before the axis of an hour begins, and of another edge: what is older is on none of that length
  {
    ...MADE,
    edge: "another",
    command_id: `01J${"0".repeat(22)}6`,
    lane: "em",
    operation: "volume.list",
    state: "succeeded",
    input: { volume: "elsewhere" },
    created_at: ago(60),
    queued_at: ago(60),
    claimed_at: ago(59),
    ended_at: ago(58),
  },
];
/** On the page of commands before those. */
const OLDER = {
  ...COMMANDS[2]!,
  command_id: `01J${"0".repeat(22)}1`,
  operation: "volume.list",
  input: { volume: "long-ago" },
  created_at: ago(700),
  queued_at: ago(700),
  claimed_at: ago(699),
  ended_at: ago(698),
};
/** One that is over, one that is open, one that is planned. */
const WINDOWS = [-30, -5, 8].map((at, n) => ({
  start: ago(-at),
  end: ago(-at - 7),
  station: n === 1 ? MARKUP : "Kiruna",
}));

const RUNNER_POD = {
  pod_name: RUNNER,
  image: "python",
  node: "MPU",
  age: 3,
  state: { running: { startedAt: CREATED } },
};
const ON_EDGE = {
  windows: { present: null, next: null, windows: WINDOWS },
  pods: [RUNNER_POD],
  fpga: [{ node: "FPGA", state: "loaded", loaded: { image: "afi-1", run: "run-1" } }],
  runners: [
    { environment: "10", wanted: 2, idle: 1, used: 1, reason: null },
    { environment: MARKUP, wanted: 2, idle: 0, used: 0, reason: "The edge has no room for more." },
  ],
};

/** Rows whose parts are not all within them. */
const WIDER_ROWS =
  "[...document.querySelectorAll('.row')].filter((row) => row.scrollWidth > row.clientWidth).map((row) => row.textContent)";

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
    return route.fulfill({ response, json: { data: { ...data, ...ON_EDGE, edge: "em" } } });
  });
  await page.route(/\/commands\?/, (route) => {
    const isOlder = new URL(route.request().url()).searchParams.has("before");
    const page = isOlder ? { data: [OLDER] } : { data: COMMANDS, next: COMMANDS.at(-1)!.command_id };
    return route.fulfill({ json: page });
  });
  await page.route(/\/commands\/\w+(\?.*)?$/, (route) => {
    const { pathname } = new URL(route.request().url());
    const found = COMMANDS.find(({ command_id: id }) => pathname.endsWith(id));
    return route.fulfill({ json: { data: found } });
  });
  await page.route(/\/edge\/holdings$/, (route) =>
    route.fulfill({ json: { data: { items: HOLDINGS, truncated: false } } }),
  );
}

/** What is to be read on each screen. */
const SHOWN: Record<string, string[]> = {
  Overview: ["The edge has no room for more.", "afi-1", "Job 41"],
  Pods: ["Job 41", "Job 42", "Job 43", "10-abcd", MARKUP, "Timed out"],
  Timeline: [MARKUP, "Kiruna", "later", "job-42", "10-abcd"],
  Images: [HOLDINGS[5]!.name, MARKUP, "afi-1", "afi-2", "Pending"],
};

test("what other APIs made breaks no rule of accessibility in either theme, and is text alone", async () => {
  await using seen = await openPage(browser, target.url);
  const { page } = seen;
  await answerOthers(page);
  await logIn(page, target.other);
  const broken: string[][] = [];
  for (const width of [1440, 360]) {
    await page.setViewportSize({ width, height: 900 });
    for (const [name, texts] of Object.entries(SHOWN)) {
      await openScreen(page, name);
      for (const text of texts) await page.getByRole("main").getByText(text).first().waitFor();
      if (name === "Timeline") await page.getByText("The same as a table").click();
      broken.push(await brokenRules(page, `others-${name.toLowerCase()}-${width}`));
      expect(await page.evaluate("document.documentElement.scrollWidth"), name).toBeLessThanOrEqual(width);
      // however long its words are, a row shows all its parts
      expect(await page.evaluate(WIDER_ROWS), name).toEqual([]);
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  // a longer axis fetches what is on it, and only that
  await openScreen(page, "Timeline");
  const asksForOlder = () => seen.asked.filter((address) => address.includes("before="));
  expect(asksForOlder()).toEqual([]);
  await page.getByRole("button", { name: "24 h" }).click();
  await page.getByRole("link", { name: /long-ago: Succeeded$/ }).waitFor();
  await page.goto(`/console#/pods/${RUNNER}`);
  await page.getByText("Made by the Poseidon API: there it is stopped and run again.").waitFor();
  broken.push(await brokenRules(page, "others-pod"));
  await page.goto(`/console#/commands/${COMMANDS[0]!.command_id}`);
  await page.getByRole("region", { name: "Build image" }).getByText(`${MARKUP} failed`).waitFor();
  broken.push(await brokenRules(page, "others-command"));
  expect(broken.flat()).toEqual([]);
  expect(await page.locator("img[src=x]").count()).toBe(0);
  expect(await page.title()).toBe("Commands · Perigee");
  expect(seen.complaints).toEqual([]);
});
