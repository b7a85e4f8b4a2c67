import type { Hono } from "hono";
import type { GroundEnv } from "../../http/env.ts";
import type { DialectCore } from "../core.ts";
import { notHere } from "./not-here.ts";
import { isServed } from "./parts.ts";

export const BASE = "/api/v1";

/** Every route beneath {@link BASE}, with its methods; what answers them is in on-server.ts. */
export const ROUTES: readonly (readonly [path: string, methods: readonly string[]])[] = [
  ["/health", ["GET"]],
  ["/version", ["GET"]],
  ["/statistics/execution-environments", ["GET"]],
  ["/execution-environments", ["GET"]],
  ["/execution-environments/:id{[0-9]+}", ["GET", "PUT", "DELETE"]],
  ["/runners", ["POST"]],
  ["/runners/:runner", ["DELETE"]],
  ["/runners/:runner/files", ["GET", "PATCH"]],
  ["/runners/:runner/files/raw", ["GET"]],
  ["/runners/:runner/execute", ["POST"]],
  ["/runners/:runner/websocket", ["GET"]],
];

/** Open to everybody. */
export const OPEN = [`${BASE}/health`, `${BASE}/version`];

/** Puts the routes on an app; what they throw, the ground's own handler words with `errors`. */
export function mount(app: Hono<GroundEnv>, core: DialectCore): void {
  if (!isServed(core)) {
    app.all(`${BASE}/*`, () => notHere(core));
    return;
  }
  for (const [path, methods] of ROUTES) {
    for (const method of methods) {
      app.on(method, BASE + path, async (c) => {
        const { handleOf } = await import("./on-server.ts");
        return handleOf(method, path)(c, core);
      });
    }
  }
}
