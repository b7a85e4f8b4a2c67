import { documentAuthRoutes } from "../auth/documentation.ts";
import { documentCommandRoutes } from "../commands/documentation.ts";
import type { Dialect } from "../dialects/dialect.ts";
import { documentEdgeRoutes } from "../edges/documentation.ts";
import { documentLiveRoutes } from "../live/documentation.ts";
import { documentOperatorRoutes } from "../operator/documentation.ts";
import { documentRunnerRoutes } from "../runners/documentation.ts";
import { documentUplinkRoutes } from "../uplinks/documentation.ts";
import { documentWindowRoutes } from "../windows/documentation.ts";
import { type DocumentPart, documentPart } from "./document-part.ts";
import { documentOpenRoutes } from "./open-routes.ts";

export type DocumentParts = {
  logIn: DocumentPart;
  dialects: Record<string, DocumentPart>;
  own: DocumentPart;
};

/**
 * The parts of the API's document. Hundreds of schemas are made for it, which would make a Lambda's start half as long
 * again: so in the Lambdas' bundles what this gives for all dialects stands in its place (scripts/lambda-bundles.ts).
 */
export async function documentParts(dialects: readonly Dialect[]): Promise<DocumentParts> {
  const parts = dialects.map(
    async (dialect) => [dialect.name, documentPart(await dialect.describe())] as const,
  );
  return {
    logIn: documentPart((registry) => {
      registry.registerComponent("securitySchemes", "bearer", {
        type: "http",
        scheme: "bearer",
        bearerFormat: "JWT",
      });
      documentAuthRoutes(registry);
    }),
    dialects: Object.fromEntries(await Promise.all(parts)),
    own: documentPart((registry) => {
      documentUplinkRoutes(registry);
      documentCommandRoutes(registry);
      documentEdgeRoutes(registry);
      documentWindowRoutes(registry);
      documentLiveRoutes(registry);
      documentOperatorRoutes(registry);
      documentRunnerRoutes(registry);
      documentOpenRoutes(registry);
    }),
  };
}
