import { setTimeout as sleep } from "node:timers/promises";
import type { Browser } from "playwright-core";
import type { Row } from "../table.ts";
import { openConsoleBench, openWindow, pageProcessors } from "./browser.ts";
import { lineOf, playedCommand, servePlayedGround } from "./played-ground.ts";

const LINES = 100_000;
const PER_SECOND = 1000;
const SECONDS = 20;
const MOST_CORES = 0.2;
const COMMAND = playedCommand(2).command_id;

/** Following a log of 100,000 lines that gets 1,000 more each second, against a plain list to which they are appended. */
export async function measureFollowing(): Promise<Row[]> {
  const bench = await openConsoleBench();
  const ground = await servePlayedGround(bench.folder, {
    commands: 5,
    log: { lines: LINES, perSecond: PER_SECOND },
  });
  try {
    const { browser } = bench;
    const page = await openWindow(browser, { loggedIn: true });
    await page.goto(`${ground.url}/console#/commands/${COMMAND}`);
    while (ground.told() < LINES + PER_SECOND) await sleep(200);
    const own = await coresDuring(browser);
    const following = (await page.evaluate(
      "(() => { const box = document.querySelector('.log-lines'); return box.scrollHeight - box.scrollTop - box.clientHeight; })()",
    )) as number;
    if (following > 2000) throw new Error(`the log is not at its end: ${following} px are below`);
    await page.context().close();
    const peer = await plainList(browser);
    return [
      {
        what: `following a log of ${PER_SECOND.toLocaleString("en")} lines a second, cores`,
        ours: own.toFixed(3),
        peer: `${MOST_CORES}; plain list: ${peer.toFixed(3)}`,
        ratio: own / MOST_CORES,
        goal: { below: 1 },
      },
    ];
  } finally {
    await ground.close(0);
    await bench.close();
  }
}

async function plainList(browser: Browser): Promise<number> {
  const page = await openWindow(browser);
  const lines = Array.from({ length: LINES }, (_, n) => `<div>${lineOf(n + 1)}</div>`).join("");
  await page.setContent(
    `<div id="box" style="height:800px;overflow:auto;font:13px monospace">${lines}</div>`,
  );
  await page.evaluate(`(() => {
    const box = document.getElementById("box");
    let n = ${LINES};
    setInterval(() => {
      for (let i = 0; i < ${PER_SECOND / 4}; i++) {
        const line = document.createElement("div");
        line.textContent = "step " + n + ": loss 0.000001, " + n++ * 32 + " samples, lr 0.0003, 100 ms";
        box.append(line);
      }
      box.scrollTop = box.scrollHeight;
    }, 250);
  })()`);
  await sleep(2000);
  const cores = await coresDuring(browser);
  await page.context().close();
  return cores;
}

async function coresDuring(browser: Browser): Promise<number> {
  const before = await pageProcessors(browser);
  const began = performance.now();
  await sleep(SECONDS * 1000);
  const seconds = (performance.now() - began) / 1000;
  return ((await pageProcessors(browser)) - before) / seconds;
}
