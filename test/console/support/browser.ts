import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import {
  type Browser,
  type BrowserContextOptions,
  type BrowserServer,
  chromium,
  type Download,
  type Page,
} from "playwright-core";
import type { Credentials } from "../../contract/support/target.ts";
import type { ConsoleTarget } from "./target.ts";
import { waitClosely } from "./wait-closely.ts";

const DEADLINE_MS = 90_000;
/** Where a person looks at the screens. */
export const SCREENSHOTS = resolve(
  process.env.PERIGEE_SCREENSHOTS ?? join(import.meta.dirname, "../../../.tmp/console"),
);

/** Starts a browser for all tests, as root on a machine without a screen needs it. */
export function startBrowser(executablePath: string): Promise<BrowserServer> {
  return chromium.launchServer({
    executablePath,
    host: "127.0.0.1",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** The browser of all tests: closing it closes the windows that were opened by it. */
export function openBrowser({ browser }: ConsoleTarget): Promise<Browser> {
  return chromium.connect(browser);
}

export type Seen = AsyncDisposable & {
  page: Page;
  /** what the page complained of: refused by its policy, or thrown by its script */
  complaints: string[];
  /** every address that was asked */
  asked: string[];
  close(): Promise<void>;
};

/** A window of its own, with nothing kept from another. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Seen> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    // a mark that moves is drawn again and again, by the processor
    reducedMotion: "reduce",
    ...options,
    baseURL: url,
  });
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  waitClosely(page.locator("body"));
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => asked.push(request.url()));
  const close = async () => {
    if (page.isClosed()) return;
    // an answer that a test plays may be under way
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await context.close();
  };
  return { page, complaints, asked, close, [Symbol.asyncDispose]: close };
}

/** Logs in as people do, and waits until the ground is heard. */
export async function logIn(page: Page, who: Credentials): Promise<void> {
  await page.goto("/console");
  await page.getByLabel("User").fill(who.name);
  await page.getByLabel("Password").fill(who.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await heard(page);
}

/** Waits until the ground is heard. */
export async function heard(page: Page): Promise<void> {
  await page.getByRole("banner").getByText("Live", { exact: true }).waitFor();
}

/** What the browser has saved. */
export async function contentOf(download: Download): Promise<Buffer> {
  return buffer(await download.createReadStream());
}

/** Opens a screen as its link does. */
export async function openScreen(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation", { name: "Screens" }).getByRole("link", { name }).click();
  await page.getByRole("main", { name }).waitFor();
}

/** A picture for a person to look at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}
