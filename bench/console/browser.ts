import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { ensureChromium } from "../../scripts/ensure-chromium.ts";
import { bundlePages } from "../../scripts/page-bundles.ts";

const DEADLINE_MS = 180_000;
/** What the console keeps of somebody who is logged in. */
const SESSION = JSON.stringify({ user: "bench", access: "bench", refresh: "bench" });

export type ConsoleBench = {
  browser: Browser;
  /** folder of the console's files, as they are deployed */
  folder: string;
  close(): Promise<void>;
};

/** The console as it is deployed, and a Chromium to look at it. */
export async function openConsoleBench(): Promise<ConsoleBench> {
  const executablePath = await ensureChromium((line) => console.error(line));
  const directory = mkdtempSync(join(tmpdir(), "perigee-bench-console-"));
  await bundlePages(directory);
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  return {
    browser,
    folder: join(directory, "console"),
    async close() {
      await browser.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A window of its own; `loggedIn`: as one in which somebody has logged in before. */
export async function openWindow(browser: Browser, { loggedIn = false } = {}): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    // so that it can be asked what is to be measured
    bypassCSP: true,
  });
  context.setDefaultTimeout(DEADLINE_MS);
  if (loggedIn) {
    await context.addInitScript(`sessionStorage.setItem("perigee.session", ${JSON.stringify(SESSION)})`);
  }
  return context.newPage();
}

/** ms of a processor that the page's main thread has had: what it needs, however many others there are. */
export async function mainThread(page: Page): Promise<{ ms(): Promise<number> }> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return {
    async ms() {
      const { metrics } = await session.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "TaskDuration")!.value * 1000;
    },
  };
}

/** Seconds of a processor that the pages' own processes have had so far. */
export async function pageProcessors(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}
