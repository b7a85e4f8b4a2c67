import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { screenshot } from "./browser.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** The rules that look at colours: to all others both themes are the same page. */
const OF_COLOURS = ["color-contrast", "link-in-text-block"];

/** What axe finds in the light theme and in the dark one, each with where, and a picture of both. It leaves the light one. */
export async function brokenRules(page: Page, name: string): Promise<string[]> {
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await screenshot(page, `${name}-dark`);
  const dark = await found(page, OF_COLOURS);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  await screenshot(page, `${name}-light`);
  return [...dark, ...(await found(page))];
}

async function found(page: Page, rules?: string[]): Promise<string[]> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(AXE);
  const only = rules && { type: "rule", values: rules };
  const { violations } = (await page.evaluate(
    `axe.run(${JSON.stringify({ resultTypes: ["violations"], ...(only && { runOnly: only }) })})`,
  )) as { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] };
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${page.url()} ${id}: ${html} ${failureSummary}`),
  );
}
