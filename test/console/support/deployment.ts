import type { TestProject } from "vitest/node";
import { startOwnDeployment } from "#test/support/own-deployment.ts";
import { program } from "#test/support/programs.ts";
import { ensureChromium } from "../../../scripts/ensure-chromium.ts";
import { givenDeployment } from "./given-deployment.ts";
import type { ConsoleTarget } from "./target.ts";

/**
 * One ground and agent for all tests of the console, on the machine's engine, or the deployment that is given; and the
 * browser that looks at them.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const chromium = await ensureChromium((line) => console.log(`chromium: ${line}`));
  const given = givenDeployment();
  if (given) {
    project.provide("console", { ...given, chromium });
    return async () => {};
  }
  const programs = { ground: program("server"), agent: program("agent") };
  const { url, user, other, data, stop } = await startOwnDeployment({}, programs);
  project.provide("console", { url, user, other, data, chromium } satisfies ConsoleTarget);
  return stop;
}
