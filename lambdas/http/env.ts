import type { HttpBindings } from "@hono/node-server";
import type { PriorityBounds } from "#protocol/priority.ts";

/** What routes find in Hono's context: the Node request under the server or who is behind a function URL, the user or edge after their check. */
export type GroundEnv = {
  Bindings: Partial<HttpBindings> & {
    /** where there is no Node request (Lambda): the address that the request came from */
    remoteAddress?: string;
    /** there too: the request's target, as it arrived */
    target?: string;
    /** there too: the body of a GET, which no web request has */
    body?: Uint8Array;
  };
  Variables: {
    /** name of the authenticated user */
    user: string;
    /** when that user was made, ms since 1970, on Perigee's own routes: an earlier one may have had the name */
    userSince: number;
    /** the priorities that the user may ask for, where an access token told who asks */
    priorities?: PriorityBounds;
    /** edge of the authenticated agent; or, where a dialect's `authenticate` has set it, the one that its user means */
    edge: string;
  };
};
