import type { TestProject } from "vitest/node";
import { startOwnDeployment } from "#test/support/own-deployment.ts";
import { program } from "#test/support/programs.ts";
import { ensureChromium } from "../../../scripts/ensure-chromium.ts";
import { startBrowser } from "./browser.ts";
import { givenDeployment } from "./given-deployment.ts";
import type { ConsoleTarget } from "./target.ts";

/**
 * One ground and agent for all tests of the console, on the machine's engine, or the deployment that is given; and one
 * browser that looks at them.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const chromium = await ensureChromium((line) => console.log(`chromium: ${line}`));
  const browser = await startBrowser(chromium);
  const of = await openDeployment().catch(async (error: unknown) => {
    await browser.close();
    throw error;
  });
  project.provide("console", { ...of.target, browser: browser.wsEndpoint() });
  return async () => {
    try {
      await browser.close();
    } finally {
      await of.stop();
    }
  };
}

async function openDeployment(): Promise<{
  target: Omit<ConsoleTarget, "browser">;
  stop: () => Promise<void>;
}> {
  const given = givenDeployment();
  if (given) return { target: given, stop: async () => {} };
  const programs = { ground: program("server"), agent: program("agent") };
  const { url, user, other, data, stop } = await startOwnDeployment({}, programs);
  return { target: { url, user, other, data }, stop };
}
