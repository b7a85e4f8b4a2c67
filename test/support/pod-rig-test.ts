import { test as base } from "vitest";
import { PodRig } from "./pod-rig.ts";

/** A test with a rig of its own: instance, directory and database, so that it runs beside the others of its file. */
export const test = base.extend<{ rig: PodRig }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern which fixtures it needs
  rig: async ({}, use) => {
    const rig = await PodRig.create();
    try {
      await use(rig);
    } finally {
      await rig.cleanUp();
    }
  },
});
