import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { median, type Row } from "../table.ts";
import { mainThread, openConsoleBench, openWindow } from "./browser.ts";
import { servePlayedGround } from "./played-ground.ts";

const MOST_KB = 70;
const MOST_MS = 1000;
const THROTTLED = 4;
const ROUNDS = 9;

/**
 * Logs the time (ms since navigation) at which the page is first usable. The page measures itself: polling it with
 * Playwright would inject some 100 KB of script, and delay it.
 */
const USABLE = `
  const look = () => {
    const ready = document.querySelector(WANTED);
    if (ready) requestAnimationFrame(() => console.info("usable", performance.now()));
    else requestAnimationFrame(look);
  };
  look();
`;

/** The console's script compressed, and how long its first screens take on a processor that is four times slower. */
export async function measureProgram(): Promise<Row[]> {
  const bench = await openConsoleBench();
  try {
    const { folder, browser } = bench;
    const page = readFileSync(join(folder, "index.html"), "utf8");
    const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
    const kbOf = (names: string[]) =>
      names.reduce((sum, name) => sum + statSync(join(folder, `${name}.gz`)).size, 0) / 1000;
    const first = kbOf(scripts.filter((name) => page.includes(name)));
    // the terminal is loaded when it is opened
    const kb = kbOf(scripts.filter((name) => !name.startsWith("terminal-")));
    const ground = await servePlayedGround(folder, { commands: 100, log: { lines: 0, perSecond: 0 } });
    const usable = async (loggedIn: boolean, wanted: string, rate = THROTTLED) => {
      const window = await openWindow(browser, { loggedIn });
      const session = await window.context().newCDPSession(window);
      await session.send("Emulation.setCPUThrottlingRate", { rate });
      const thread = await mainThread(window);
      await window.addInitScript(USABLE.replace("WANTED", JSON.stringify(wanted)));
      const usableAt = window.waitForEvent("console", (said) => said.text().startsWith("usable "));
      await window.goto(`${ground.url}/console`);
      const at = Number((await usableAt).text().split(" ")[1]);
      const work = await thread.ms();
      await window.context().close();
      return rate === 1 ? work * THROTTLED : at;
    };
    const logIn: number[] = [];
    const overview: number[] = [];
    const work: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      logIn.push(await usable(false, "form input"));
      overview.push(await usable(true, "main h2"));
      work.push(await usable(true, "main h2", 1));
    }
    await ground.close(0);
    const row = (what: string, samples: number[]): Row => ({
      what: `${what} usable, CPU ${THROTTLED}× slower, p50`,
      ours: `${median(samples).toFixed(0)} ms`,
      peer: `at most ${MOST_MS} ms`,
      ratio: median(samples) / MOST_MS,
      goal: { atMost: 1 },
    });
    return [
      {
        what: "script of the console, gzip",
        ours: `${kb.toFixed(1)} KB, of which ${first.toFixed(1)} before the first screen`,
        peer: `at most ${MOST_KB} KB`,
        ratio: kb / MOST_KB,
        goal: { atMost: 1 },
      },
      row("log-in", logIn),
      row("overview", overview),
      { ...row("overview: processor time of the main thread, until", work), goal: undefined },
    ];
  } finally {
    await bench.close();
  }
}
