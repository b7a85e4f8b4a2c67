import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Context, Hono } from "hono";
import type { PodRun } from "#protocol/pod-run.ts";
import type { Account } from "../auth/accounts.ts";
import type { Registry } from "../docs/registry.ts";
import type { GroundEnv } from "../http/env.ts";
import type { ErrorShape } from "../http/errors.ts";
import type { Command } from "../ledger/command.ts";
import type { LaneOptions } from "../ledger/lane-options.ts";
import type { MetricValue } from "../metrics/embedded-metrics.ts";
import type { Write } from "../ports/ledger-store.ts";
import type { AskedRun } from "./complete-run.ts";
import type { DialectCore } from "./core.ts";
import type { Holdings, HoldingsOf } from "./holding.ts";
import type { OwnRecords } from "./own-records.ts";

export type DialectContext = Context<GroundEnv>;

/**
 * A public API in front of Perigee's commands: the one object that a folder `lambdas/dialects/<name>/` exports, and
 * all that the ground knows of it (docs/decisions/030-dialect-seam.md). What is optional is left out where the ground's
 * own way is right.
 */
export type Dialect = {
  /** also begins its records' keys and its agent routes: `[a-z][a-z0-9]{0,15}` */
  name: string;
  lanes: readonly Omit<LaneOptions, "onEnd">[];
  /**
   * Its paths: exact ones, `:name` for any one part, `/*` at the end for all beneath. What is asked there is answered
   * by its rules alone: authentication, errors, unknown paths.
   */
  paths: readonly string[];
  /** Those of its paths that need no authentication. */
  open?: readonly string[];
  /**
   * Who asks: the name of a Perigee user, or an answer of its own that refuses.
   * @throws PerigeeError UNAUTHORIZED and the like, which `errors` words
   */
  authenticate(c: DialectContext, core: DialectCore): Promise<string | Response>;
  /**
   * May an account log in, through any API, whose password was right? It is refused as a wrong password is (default:
   * any may).
   */
  admits?(core: DialectCore, account: Account): Promise<boolean>;
  /** Puts its routes on the app; behind its authentication they find `user` in the context. */
  mount(app: Hono<GroundEnv>, core: DialectCore): void;
  /** Statuses and bodies of failures. HTTP statuses are the dialect's: codes only have meanings. */
  errors: ErrorShape;
  /**
   * Adds its part to the OpenAPI document. It is asked for when the document is, so that making schemas costs no
   * process its start: import it then.
   */
  describe(): Promise<(registry: Registry) => void>;

  /**
   * Its answer where nothing is at a path (`allow` is empty) or not for the method. It is given before anybody is
   * authenticated; without it, 404 and 405 in the error shape, behind the authentication.
   */
  unknown?(c: DialectContext, allow: readonly string[]): Response;
  bounds?: {
    /** requests that one user may have open at once (default LIMITS.openPerUser together with Perigee's own API) */
    openPerUser?: number;
    /** ms after which a body that stands still is cut (default: the server's two minutes) */
    bodyIdleMs?: number;
  };
  /** The path that is routed, of the one that was asked for (default: doubled and trailing slashes are folded). */
  routedPath?(path: string): string;
  /** Further listeners of the server, opened with it; none behind a function URL. */
  listeners?(core: DialectCore): readonly DialectListener[] | Promise<readonly DialectListener[]>;
  /** Requests of the server that leave HTTP (WebSocket); none behind a function URL. */
  upgrade?: {
    /** Is it one to upgrade? Any other is answered as a plain request, its header `Upgrade` ignored. */
    accepts(incoming: IncomingMessage): boolean;
    handle(incoming: IncomingMessage, socket: Duplex, head: Buffer, core: DialectCore): void;
  };
  /** Routes for the agent, at `/agent/dialects/<name>`, behind the agent's token: `edge` is in the context. */
  agentRoutes?(app: Hono<GroundEnv>, core: DialectCore): void;
  /**
   * Adds to a run of any dialect what this one has for it (an FPGA image that its container image is associated with).
   * @throws PerigeeError of codes that every dialect words
   */
  completeRun?(core: DialectCore, asked: AskedRun): Promise<PodRun>;
  /** Its part of the janitor's round. Rounds may overlap and may not happen: nothing may rest on them. */
  janitor?(core: DialectCore): Promise<void>;
  /** Background work of a server while it serves; beside Lambdas a worker has it, if there is one (`core.worker`). */
  background?(core: DialectCore): { close(): Promise<void> };
  /** What is to do now of it, until it is done or time is up: the worker's whole work. Rounds may overlap. */
  work?(core: DialectCore): Promise<void>;
  /**
   * Removes what it keeps of a user, or with `edge` of a grant that was revoked. Called by the janitor's rounds until
   * it succeeds, so it may be called again.
   */
  removed?(core: DialectCore, of: Removal): Promise<void>;
  /**
   * Its own records, written in the transaction that ends a command of its lanes. It may be called again for one end,
   * so it only reads; and for several ends before any of them is written, so it decides by what it writes on condition.
   */
  onEnd?(records: OwnRecords, command: Command): Write[] | Promise<Write[]>;
  /**
   * Key, below `keptPrefix(user, name)` or one of `stagingPrefixes`, at which the content that a command of its lanes
   * brings is kept; it stands there before anybody sees that the command has succeeded. Told by the command alone (default: content ends by age).
   */
  keepContent?(command: Command): string | undefined;
  /** What a user has on an edge through it, for lists of what all APIs made (default: none but its commands). */
  holdings?(core: DialectCore, of: HoldingsOf): Promise<Holdings>;
  /** Bytes that it keeps of a user outside staging, or under keys that do not begin with the user's name: they count in the quota. */
  bytesOf?(core: DialectCore, user: string): Promise<number>;
  /** First parts of its keys in staging, beside those of the core. In AWS the ground has access to these alone. */
  stagingPrefixes?: readonly StagingPrefix[];
  /** It keeps users' buckets, and secrets of users that it has to read again. */
  keepsObjects?: true;
  /** What the operator's alarms look at, by metric; asked before each of a Lambda's rounds. */
  health?(core: DialectCore): Promise<Record<string, MetricValue>>;
  /** Names by which accounts log in here, for the operator's verbs. */
  logins?: DialectLogins;
  /** Tokens that the operator gives to its clients, for the operator's verbs. */
  tokens?(records: OwnRecords): DialectTokens;
  /** The operator's settings that are its own; `core.setting` reads them. */
  settings?: readonly DialectSetting[];
};

export type DialectLogins = {
  /** How the account of this uid registered itself; undefined for one that the operator made. */
  ofAccount(records: OwnRecords, uid: string): Promise<DialectLogin | undefined>;
  /** The account that a login stands for, or stood for: it may be gone. */
  account(records: OwnRecords, login: string): Promise<{ user: string; uid: string } | undefined>;
};

/** `uid`: of the account, so that a name that is given anew does not get its tokens. Times in ms since 1970. */
export type DialectToken = { name: string; user: string; uid: string; edge?: string; createdAt: number };

export type DialectTokens = {
  /** Makes a token, which is shown this once. @throws INVALID_PARAMETERS for the name, ALREADY_EXISTS */
  add(token: DialectToken): Promise<string>;
  /** All of them, by name. */
  list(): Promise<DialectToken[]>;
  /** @returns whether there was one */
  remove(name: string): Promise<boolean>;
};

/** `confirmed`: whether the registration was. */
export type DialectLogin = { login: string; confirmed: boolean };

/** Checked when a ground starts, so that a wrong value is not first met by a request. */
export type DialectSetting = {
  /** of the variable behind `PERIGEE_`: `KABUTO_USERS`; in CDK's context in camel case: `kabutoUsers` */
  name: string;
  /** What is wrong with a value that is given (`is no whole number`); undefined when nothing is. */
  wrong(value: string): string | undefined;
  /** What `npm start` on a loopback address and `npm run deploy:local` set when the operator does not, and say then. */
  onThisMachine?: { value: string; note: string };
  /** A server starts with it only when it listens on loopback addresses alone; no deployment in AWS has it. */
  onLoopbackOnly?: true;
};

export type DialectListener = {
  /** names it in the log */
  name: string;
  /** 0 = any free one, told in the log */
  port: number;
  app: Pick<Hono<GroundEnv>, "fetch">;
};

/** `uid` is of the removed record: the name may have been given anew. */
export type Removal = { user: string; uid: string; edge?: string };

export type StagingPrefix = {
  /** What is under `<prefix>/<user>/…` counts in that user's quota; of what else is there `bytesOf` tells. */
  prefix: string;
  /** days after which a store deletes what was forgotten there (default never: it lives as long as its owner's record) */
  expireDays?: number;
};
