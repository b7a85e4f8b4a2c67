import type { Browser, Page } from "playwright-core";
import { scaled } from "../scale.ts";
import type { Row } from "../table.ts";
import { openConsoleBench, openWindow } from "./browser.ts";
import { lineOf, playedCommand, servePlayedGround } from "./played-ground.ts";
import { type Frames, framesText, scroll } from "./scrolling.ts";

const COMMANDS = scaled(10_000);
const LINES = scaled(100_000);
const MOST_MS = 20;
const PX = 120;
const POD_RUN = playedCommand(COMMANDS - (COMMANDS % 5) - 3).command_id;

/**
 * Scrolling through 10,000 commands and through 100,000 lines of a log, against all of the same data in a plain table,
 * and how long both take until the first rows are there.
 */
export async function measureLists(): Promise<Row[]> {
  const bench = await openConsoleBench();
  const ground = await servePlayedGround(bench.folder, {
    commands: COMMANDS,
    log: { lines: LINES, perSecond: 0 },
  });
  try {
    const commands = await ours(bench.browser, `${ground.url}/console#/commands`, ".virtual", COMMANDS);
    const plainCommands = await plain(bench.browser, commandCells());
    const log = await ours(bench.browser, `${ground.url}/console#/commands/${POD_RUN}`, ".log-lines", LINES);
    const plainLog = await plain(
      bench.browser,
      Array.from({ length: LINES }, (_, n) => [String(n), lineOf(n + 1)]),
    );
    return [
      ...rows(`${COMMANDS.toLocaleString("en")} commands`, commands, plainCommands),
      ...rows(`${LINES.toLocaleString("en")} lines of a log`, log, plainLog),
    ];
  } finally {
    await ground.close(0);
    await bench.close();
  }
}

type Seen = { frames: Frames; shownMs: number };

async function ours(browser: Browser, address: string, selector: string, length: number): Promise<Seen> {
  const page = await openWindow(browser, { loggedIn: true });
  const began = performance.now();
  await page.goto(address);
  // older commands come when somebody gets to the end of those that are there
  const toTheEnd = `(() => {
    const box = document.querySelector(${JSON.stringify(selector)});
    if (!box || box.firstElementChild.clientHeight >= ${length * 18}) return box !== null;
    box.scrollTop = box.scrollHeight;
    return false;
  })()`;
  await page.waitForFunction(toTheEnd);
  const shownMs = performance.now() - began;
  // as when somebody has scrolled back
  const follow = page.getByRole("button", { name: "Follow" });
  if ((await follow.count()) > 0) await follow.click();
  const frames = await scroll(page, selector, PX);
  await page.context().close();
  return { frames, shownMs };
}

/** A table of all rows, in a box that scrolls. */
async function plain(browser: Browser, cells: string[][]): Promise<Seen> {
  const page = await openWindow(browser);
  const body = cells.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("");
  await page.goto("about:blank");
  const began = performance.now();
  await fill(page, `<div id="box" style="height:800px;overflow:auto"><table>${body}</table></div>`);
  const shownMs = performance.now() - began;
  const frames = await scroll(page, "#box", PX);
  await page.context().close();
  return { frames, shownMs };
}

async function fill(page: Page, html: string): Promise<void> {
  await page.setContent(html);
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
}

function commandCells(): string[][] {
  return Array.from({ length: COMMANDS }, (_, n) => {
    const { command_id: id, operation, state, created_at: created, ended_at: ended } = playedCommand(n + 1);
    return [id, operation, state, created, ended];
  });
}

function rows(what: string, own: Seen, peer: Seen): Row[] {
  return [
    {
      what: `${what}, scrolling`,
      ours: framesText(own.frames),
      peer: `20 ms; plain table: ${framesText(peer.frames)}`,
      ratio: own.frames.p95 / MOST_MS,
      goal: { below: 1 },
    },
    {
      what: `${what}, until they are there`,
      ours: `${own.shownMs.toFixed(0)} ms`,
      peer: `plain table, without fetching them: ${peer.shownMs.toFixed(0)} ms`,
      ratio: own.shownMs / peer.shownMs,
    },
  ];
}
