import { type App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { EdgesStack, spread } from "./edges-stack.ts";
import type { GroundBundles } from "./functions.ts";
import { GroundStack } from "./ground-stack.ts";
import { LiveStack } from "./live-stack.ts";
import { readSettings } from "./settings.ts";

/** Directories of what the ground runs: the Lambdas' bundles, each an `index.mjs`, and what its image is made of. */
export type GroundCode = GroundBundles & { image?: string };

/** Adds the stacks for the context's settings to `app`, checked against AwsSolutions at synthesis. */
export function addStacks(
  app: App,
  code: GroundCode,
): { ground: GroundStack; live?: LiveStack; edges: EdgesStack[] } {
  const settings = readSettings((key) => app.node.tryGetContext(key));
  const props = (what: string) => ({
    description: `Perigee (${settings.name}): ${what}`,
    tags: { perigee: settings.name },
  });
  const ground = new GroundStack(app, `${settings.name}-ground`, settings, code, props("ground"));
  const live =
    settings.live &&
    new LiveStack(
      app,
      `${settings.name}-live`,
      { settings, live: settings.live, ground, image: imageOf(code) },
      props("live sessions"),
    );
  const edges = spread(settings)
    .map((names, i) => ({ names, id: `${settings.name}-edges${i === 0 ? "" : i + 1}` }))
    .filter(({ names }) => names.length > 0)
    .map(({ names, id }) => new EdgesStack(app, id, settings.name, names, props("doorbells of edges")));
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return { ground, ...(live && { live }), edges };
}

function imageOf({ image }: GroundCode): string {
  if (image === undefined) throw new Error("with -c live=true the ground's image is needed");
  return image;
}
