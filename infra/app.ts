import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { bundleLambdas } from "../scripts/lambda-bundles.ts";
import { addStacks } from "./stacks.ts";

/** The CDK app that cdk.json names. Context: settings.ts. */
const bundles = mkdtempSync(join(tmpdir(), "perigee-lambda-"));
try {
  const app = new App();
  addStacks(app, (await bundleLambdas(bundles)).folders);
  app.synth();
} finally {
  // the synthesized assembly contains copies
  rmSync(bundles, { recursive: true, force: true });
}
