import type { Hono } from "hono";
import type { GroundEnv } from "../../http/env.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import { deleteEnvironment, getEnvironment, getEnvironments, putEnvironment } from "./environments.ts";
import { postExecute } from "./execute.ts";
import { getFiles } from "./files-list.ts";
import { patchFiles } from "./files-patch.ts";
import { getRaw } from "./files-raw.ts";
import { getHealth, getStatistics, getVersion } from "./miscellaneous.ts";
import { notHere } from "./not-here.ts";
import { isServed, type PoseidonCore } from "./parts.ts";
import { deleteRunner, postRunner } from "./runners.ts";
import { getWebsocket } from "./websocket.ts";

type Handle = (c: DialectContext, core: PoseidonCore) => Promise<Response>;

export const BASE = "/api/v1";
const ENVIRONMENT = "/execution-environments/:id{[0-9]+}";

/** Every route beneath {@link BASE}, with what answers each of its methods. */
export const ROUTES: readonly (readonly [path: string, handles: Readonly<Record<string, Handle>>])[] = [
  ["/health", { GET: getHealth }],
  ["/version", { GET: getVersion }],
  ["/statistics/execution-environments", { GET: getStatistics }],
  ["/execution-environments", { GET: getEnvironments }],
  [ENVIRONMENT, { GET: getEnvironment, PUT: putEnvironment, DELETE: deleteEnvironment }],
  ["/runners", { POST: postRunner }],
  ["/runners/:runner", { DELETE: deleteRunner }],
  ["/runners/:runner/files", { GET: getFiles, PATCH: patchFiles }],
  ["/runners/:runner/files/raw", { GET: getRaw }],
  ["/runners/:runner/execute", { POST: postExecute }],
  ["/runners/:runner/websocket", { GET: getWebsocket }],
];

/** Open to everybody. */
export const OPEN = [`${BASE}/health`, `${BASE}/version`];

/** Puts the routes on an app; what they throw, the ground's own handler words with `errors`. */
export function mount(app: Hono<GroundEnv>, core: DialectCore): void {
  if (!isServed(core)) {
    app.all(`${BASE}/*`, () => notHere(core));
    return;
  }
  for (const [path, handles] of ROUTES) {
    for (const [method, handle] of Object.entries(handles)) {
      app.on(method, BASE + path, (c) => handle(c, core));
    }
  }
}
