import type { TestProject } from "vitest/node";
import { acquire, release } from "../../support/started.ts";

/** Gives the suite of FPGA images the deployment that the other contract suites ask. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, user, other, objectStore } = await acquire();
  project.provide("fpga", { url, user, other, ...(objectStore !== undefined && { objectStore }) });
  return release;
}
