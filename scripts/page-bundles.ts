import { join } from "node:path";
import { bundleConsole } from "./console-bundle.ts";
import { bundleReference } from "./reference-bundle.ts";

/** Makes the files of all pages that a ground serves, each in a folder of `beside`: where the ground's program is. */
export async function bundlePages(beside: string): Promise<void> {
  await Promise.all([bundleConsole(join(beside, "console")), bundleReference(join(beside, "reference"))]);
}
