import type { Page } from "playwright-core";
import { percentile } from "../table.ts";
import { mainThread } from "./browser.ts";

/** Frames that are looked at in one pass. */
const FRAMES = 300;
const SMOOTH_MS = 20;

/** `work`: ms of the main thread's processor time for a frame. */
export type Frames = { p95: number; smooth: number; work: number };

/** Scrolls the element that `selector` names from its beginning on, some rows in each frame. */
export async function scroll(page: Page, selector: string, px: number): Promise<Frames> {
  const thread = await mainThread(page);
  const before = await thread.ms();
  const times = (await page.evaluate(`new Promise((done) => {
    const box = document.querySelector(${JSON.stringify(selector)});
    const times = [];
    let before;
    box.scrollTop = 0;
    const frame = (now) => {
      if (before !== undefined) times.push(now - before);
      before = now;
      box.scrollTop += ${px};
      if (times.length < ${FRAMES}) requestAnimationFrame(frame);
      else done(times);
    };
    requestAnimationFrame(frame);
  })`)) as number[];
  return {
    work: ((await thread.ms()) - before) / times.length,
    p95: percentile(times, 0.95),
    smooth: times.filter((ms) => ms < SMOOTH_MS).length / times.length,
  };
}

export function framesText({ p95, smooth, work }: Frames): string {
  const share = `${(smooth * 100).toFixed(1)} % under ${SMOOTH_MS} ms`;
  return `p95 ${p95.toFixed(1)} ms, ${share}, ${work.toFixed(1)} ms of work each`;
}
