import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { groundImage } from "../scripts/ground-image.ts";
import { bundleLambdas, LAMBDAS, NAMED_LAMBDAS } from "../scripts/lambda-bundles.ts";
import { readSettings } from "./settings.ts";
import { addStacks } from "./stacks.ts";

/** The CDK app that cdk.json names. Context: settings.ts. */
const code = mkdtempSync(join(tmpdir(), "perigee-code-"));
try {
  const app = new App();
  const { live, objects } = readSettings((key) => app.node.tryGetContext(key));
  const to = join(code, "lambdas");
  const { folders } = objects
    ? await bundleLambdas(to, NAMED_LAMBDAS, { named: true })
    : await bundleLambdas(to, LAMBDAS);
  addStacks(app, { ...folders, ...(live && { image: await groundImage(join(code, "image")) }) });
  app.synth();
} finally {
  // the synthesized assembly contains copies
  rmSync(code, { recursive: true, force: true });
}
