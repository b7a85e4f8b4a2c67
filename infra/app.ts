import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { bundleLambdas } from "../scripts/lambda-bundles.ts";
import { addStacks } from "./stacks.ts";

/** The CDK app that cdk.json names. Context: settings.ts. */
const root = join(import.meta.dirname, "..");
const app = new App();
addStacks(app, await bundleLambdas(join(root, "dist/lambda")));
app.synth();
