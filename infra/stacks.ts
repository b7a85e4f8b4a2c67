import { type App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { EdgesStack, spread } from "./edges-stack.ts";
import { GroundStack } from "./ground-stack.ts";
import { readSettings } from "./settings.ts";

/** Adds the stacks for the context's settings to `app`, checked against AwsSolutions at synthesis. */
export function addStacks(
  app: App,
  bundles: { api: string; janitor: string },
): { ground: GroundStack; edges: EdgesStack[] } {
  const settings = readSettings((key) => app.node.tryGetContext(key));
  const props = (what: string) => ({
    description: `Perigee (${settings.name}): ${what}`,
    tags: { perigee: settings.name },
  });
  const ground = new GroundStack(app, `${settings.name}-ground`, settings, bundles, props("ground"));
  const edges = spread(settings)
    .map((names, i) => ({ names, id: `${settings.name}-edges${i === 0 ? "" : i + 1}` }))
    .filter(({ names }) => names.length > 0)
    .map(({ names, id }) => new EdgesStack(app, id, settings.name, names, props("doorbells of edges")));
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { ground, edges };
}
