import { setTimeout as sleep } from "node:timers/promises";
import type { Locator } from "playwright-core";

/** Between two looks (ms). Playwright's own grow to half a second, by which most waits were late. */
const LOOK_MS = 40;
/** What takes longer (ms) is waited for as Playwright does, which says best what did not come. */
const CLOSELY_MS = 5000;

type State = "attached" | "detached" | "hidden" | "visible";
const patched = new WeakSet<object>();

/** Has `waitFor` of all locators look often, at first. @param one any of them */
export function waitClosely(one: Locator): void {
  const locators = Object.getPrototypeOf(one) as Locator;
  if (patched.has(locators)) return;
  patched.add(locators);
  const waitFor = locators.waitFor;
  locators.waitFor = async function (this: Locator, options) {
    const end = performance.now() + CLOSELY_MS;
    while (performance.now() < end) {
      if (await isSo(this, options?.state ?? "visible")) return;
      await sleep(LOOK_MS);
    }
    await waitFor.call(this, options);
  };
}

async function isSo(one: Locator, state: State): Promise<boolean> {
  if (state === "visible" || state === "hidden") return (await one.isVisible()) === (state === "visible");
  return (await one.count()) > 0 === (state === "attached");
}
