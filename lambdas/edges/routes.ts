import type { Hono } from "hono";
import type { GroundEnv } from "../http/env.ts";
import { contactView, type EdgeViewParts, edgeView } from "./edge-view.ts";

export type EdgeParts = EdgeViewParts & {
  resolveEdge(user: string, header: string | undefined): Promise<string>;
  /** the edges granted to a user, by name; `default` is meant where none is named */
  grantedEdges(user: string): Promise<{ edges: string[]; default?: string | undefined; operator?: boolean }>;
};

/** `GET /edge` and `GET /edges`: what the ground knows of edges by itself. They take no lock, and work without contact. */
export function registerEdgeRoutes(app: Hono<GroundEnv>, parts: EdgeParts): void {
  app.get("/edge", async (c) => {
    const user = c.get("user");
    const edge = await parts.resolveEdge(user, c.req.header("perigee-edge"));
    return c.json({ message: "Successfully fetched edge", data: await edgeView(parts, user, edge) }, 200);
  });

  app.get("/edges", async (c) => {
    const granted = await parts.grantedEdges(c.get("user"));
    const data = await Promise.all(
      granted.edges.map(async (edge) => ({
        edge,
        default: edge === granted.default,
        contact: await contactView(parts, edge),
      })),
    );
    const operator = granted.operator && { operator: true as const };
    return c.json({ message: "Successfully listed edges", data, ...operator }, 200);
  });
}
