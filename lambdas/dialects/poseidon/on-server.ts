import type { DialectContext } from "../dialect.ts";
import { deleteEnvironment, getEnvironment, getEnvironments, putEnvironment } from "./environments.ts";
import { postExecute } from "./execute.ts";
import { getFiles } from "./files-list.ts";
import { patchFiles } from "./files-patch.ts";
import { getRaw } from "./files-raw.ts";
import { getHealth, getStatistics, getVersion } from "./miscellaneous.ts";
import type { PoseidonCore } from "./parts.ts";
import { deleteRunner, postRunner } from "./runners.ts";
import { getWebsocket } from "./websocket.ts";

export { connect } from "./websocket.ts";

/**
 * What a server alone does, imported with the first request: the Lambdas' bundles have nothing in its place
 * (scripts/lambda-bundles.ts).
 */
type Handle = (c: DialectContext, core: PoseidonCore) => Promise<Response>;

/** By method and path, as they are in routes.ts. */
const HANDLES: Readonly<Record<string, Handle>> = {
  "GET /health": getHealth,
  "GET /version": getVersion,
  "GET /statistics/execution-environments": getStatistics,
  "GET /execution-environments": getEnvironments,
  "GET /execution-environments/:id{[0-9]+}": getEnvironment,
  "PUT /execution-environments/:id{[0-9]+}": putEnvironment,
  "DELETE /execution-environments/:id{[0-9]+}": deleteEnvironment,
  "POST /runners": postRunner,
  "DELETE /runners/:runner": deleteRunner,
  "GET /runners/:runner/files": getFiles,
  "PATCH /runners/:runner/files": patchFiles,
  "GET /runners/:runner/files/raw": getRaw,
  "POST /runners/:runner/execute": postExecute,
  "GET /runners/:runner/websocket": getWebsocket,
};

export function handleOf(method: string, path: string): Handle {
  const handle = HANDLES[`${method} ${path}`];
  if (!handle) throw new Error(`nothing answers ${method} ${path}`);
  return handle;
}
