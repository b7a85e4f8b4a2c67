import type { Context, Hono } from "hono";
import { PerigeeError } from "#protocol/errors.ts";
import type { GroundEnv } from "../http/env.ts";
import { type PagePolicy, pagePolicy } from "./page-policy.ts";
import { type Asset, readAssets } from "./read-assets.ts";

export type PageOptions = {
  /** with the page's files, read when they are first asked for */
  folder: string;
  policy?: Omit<PagePolicy, "connect">;
  /** origins beside its own that the page may send requests to; asked with each page */
  connect?: () => Promise<readonly string[]>;
};

export const PAGE = "index.html";

const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  vary: "accept-encoding",
};

/** A page at `path`, and below it the files that it loads. */
export function registerAssets(app: Hono<GroundEnv>, path: string, options: PageOptions): void {
  const { folder, policy, connect } = options;
  let read: ReadonlyMap<string, Asset> | undefined;
  const files = () => {
    read ??= readAssets(folder);
    return read;
  };

  app.get(path, async (c) => {
    const origins = (await connect?.()) ?? [];
    return answer(c, files().get(PAGE)!, {
      "cache-control": "no-cache",
      "content-security-policy": pagePolicy({ ...policy, connect: origins }),
    });
  });
  app.get(`${path}/:file`, async (c) => {
    const name = c.req.param("file");
    const file = name === undefined || name === PAGE ? undefined : files().get(name);
    if (!file) throw new PerigeeError("NOT_FOUND", `There is no file ${c.req.path}`);
    return answer(c, file, {
      // their names change with their content
      "cache-control": "public, max-age=31536000, immutable",
      "content-security-policy": pagePolicy({}),
    });
  });
}

function answer(c: Context, { type, body, gzip }: Asset, headers: Record<string, string>): Response {
  const packed = gzip && /\bgzip\b/.test(c.req.header("accept-encoding") ?? "") ? gzip : undefined;
  return c.body(packed ?? body, 200, {
    ...HEADERS,
    ...headers,
    "content-type": type,
    ...(packed && { "content-encoding": "gzip" }),
  });
}
