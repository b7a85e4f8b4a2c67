import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { groundImage } from "../scripts/ground-image.ts";
import { bundleLambdas } from "../scripts/lambda-bundles.ts";
import { addStacks } from "./stacks.ts";

/** The CDK app that cdk.json names. Context: settings.ts. */
const code = mkdtempSync(join(tmpdir(), "perigee-code-"));
try {
  const app = new App();
  const { folders } = await bundleLambdas(join(code, "lambdas"));
  const live = String(app.node.tryGetContext("live")) === "true";
  addStacks(app, { ...folders, ...(live && { image: await groundImage(join(code, "image")) }) });
  app.synth();
} finally {
  // the synthesized assembly contains copies
  rmSync(code, { recursive: true, force: true });
}
