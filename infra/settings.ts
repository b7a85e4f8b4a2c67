import type { Dialect } from "#lambdas/dialects/dialect.ts";
import { ON_LAMBDAS } from "#lambdas/dialects/index.ts";
import { checkedSettings, ownSettings } from "#lambdas/dialects/own-settings.ts";
import { groundSettings } from "#lambdas/ground-settings.ts";
import { EDGE } from "#protocol/names.ts";

/** What a deployment may choose; each is a CDK context value (`-c key=value`, or in cdk.json). */
export type Settings = {
  /** begins the name of every stack and queue, so that one account can hold several deployments (default perigee) */
  name: string;
  /** edges that get a doorbell queue and an identity (default none) */
  edges: string[];
  /** stacks that the edges are spread over, at most 90 in each (default 1); changing it recreates queues */
  edgeStacks: number;
  /** Lambda runtime (default nodejs24.x) */
  runtime: string;
  /** Lambda architecture (default arm64) */
  architecture: "arm64" | "x86_64";
  /** the console is served at `/console` (default true) */
  console: boolean;
  /** answers are streamed; `false` for emulators that cannot (default true) */
  streaming: boolean;
  /** table, bucket, secret and logs outlive the stack (default true) */
  retain: boolean;
  /** bytes per user over volumes, images and staging (default as in the server) */
  quota?: number;
  /** the public APIs that are on (default as in the server); of those that Lambdas have not, a server has them */
  dialects: readonly Dialect[];
  /** `<lane>=<width>` joined by commas, as PERIGEE_LANES */
  lanes?: string;
  /** hosts by which users reach the ground, joined by commas, as PERIGEE_PUBLIC_HOSTS */
  publicHosts?: string;
  /** a dialect that is on keeps users' objects: there are a bucket for them, a secret that seals users', and a worker */
  objects: boolean;
  /** what is set of the dialects' own settings, by variable (`-c kabutoUsers=20` is PERIGEE_KABUTO_USERS) */
  own: Record<string, string>;
  /** e-mail address that gets the alarms; it has to confirm once */
  alarmEmail?: string;
  /** minutes without contact to an edge until an alarm: longer than the usual gap (default 60) */
  silenceMinutes: number;
  /** minutes that a command may wait or hold the lock until an alarm (default 60) */
  waitingMinutes: number;
  /** the ground as a container too, for live sessions and big bodies (default none: `-c live=true`) */
  live?: LiveSettings;
  /** endpoint of every AWS service as the Lambdas see it, for emulators */
  endpoint?: string;
};

export type LiveSettings = {
  /** name by which users and agents reach the container (`-c liveHost=…`); points at the load balancer */
  host: string;
  /** certificate for it, of the same region (`-c certificateArn=…`) */
  certificateArn: string;
};

type Context = (key: string) => unknown;

/** Most edges of one stack: each has four resources and two outputs, and CloudFormation allows 500 and 200. */
export const EDGES_PER_STACK = 90;

/** A name of at least two labels: a certificate has no other. */
const HOST = /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;
const CERTIFICATE = /^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/[A-Za-z0-9-]+$/;

/** @throws Error that names the context value and its rule */
export function readSettings(context: Context): Settings {
  const edges = [...new Set(list(context("edges")))];
  for (const edge of edges) if (!EDGE.test(edge)) throw wrong("edges", edge, "names of edges");
  const quota = optional(context, "quota");
  return {
    name: oneOf(context, "name", "perigee", /^[a-z][a-z0-9-]{0,15}$/),
    edges,
    edgeStacks: whole(context, "edgeStacks", 1),
    runtime: oneOf(context, "runtime", "nodejs24.x", /^nodejs\d+\.x$/),
    architecture: oneOf(context, "architecture", "arm64", /^(?:arm64|x86_64)$/) as Settings["architecture"],
    console: isOn(context, "console", "true"),
    streaming: isOn(context, "streaming", "true"),
    retain: isOn(context, "retain", "true"),
    ...(quota !== undefined && { quota: whole(context, "quota", 0) }),
    ...dialectSettings(context),
    alarmEmail: optional(context, "alarmEmail"),
    silenceMinutes: whole(context, "silenceMinutes", 60),
    waitingMinutes: whole(context, "waitingMinutes", 60),
    ...(isOn(context, "live", "false") && { live: liveSettings(context) }),
    endpoint: optional(context, "endpoint"),
  };
}

function liveSettings(context: Context): LiveSettings {
  return {
    host: oneOf(context, "liveHost", "", HOST),
    certificateArn: oneOf(context, "certificateArn", "", CERTIFICATE),
  };
}

/** What the ground would refuse at its start is refused before it is deployed. */
function dialectSettings(
  context: Context,
): Pick<Settings, "dialects" | "objects" | "lanes" | "publicHosts" | "own"> {
  const [dialects, lanes, publicHosts] = ["dialects", "lanes", "publicHosts"].map((key) =>
    list(context(key)).join(),
  );
  try {
    const read = groundSettings({
      PERIGEE_DIALECTS: dialects,
      PERIGEE_LANES: lanes,
      PERIGEE_PUBLIC_HOSTS: publicHosts,
    });
    if (!read.dialects.some((dialect) => ON_LAMBDAS.includes(dialect))) {
      const names = ON_LAMBDAS.map(({ name }) => name).join(", ");
      throw new Error(`the Lambdas need one of ${names}`);
    }
    return {
      dialects: read.dialects,
      objects: read.dialects.some(({ keepsObjects }) => keepsObjects),
      ...(lanes && { lanes }),
      ...(publicHosts && { publicHosts }),
      own: givenOf(read.dialects, context),
    };
  } catch (cause) {
    throw new Error(`-c dialects, lanes, publicHosts or a dialect's own: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** What is set of the dialects' own settings. @throws Error that names one with a wrong value */
function givenOf(dialects: readonly Dialect[], context: Context): Record<string, string> {
  const values = ownSettings(dialects)
    .filter(({ onLoopbackOnly }) => !onLoopbackOnly)
    .map(({ variable, contextKey }) => [variable, list(context(contextKey)).join()]);
  return checkedSettings(dialects, Object.fromEntries(values));
}

/** Comma-separated text, or a list in cdk.json. */
function list(value: unknown): string[] {
  const items = Array.isArray(value) ? value : String(value ?? "").split(",");
  return items.map((item) => String(item).trim()).filter((item) => item !== "");
}

function optional(context: Context, key: string): string | undefined {
  const value = context(key);
  return value === undefined || value === null || value === "" ? undefined : String(value);
}

function oneOf(context: Context, key: string, otherwise: string, rule: RegExp): string {
  const value = optional(context, key) ?? otherwise;
  if (!rule.test(value)) throw wrong(key, value, String(rule));
  return value;
}

function isOn(context: Context, key: string, otherwise: "true" | "false"): boolean {
  return oneOf(context, key, otherwise, /^(?:true|false)$/) === "true";
}

function whole(context: Context, key: string, otherwise: number): number {
  const value = optional(context, key) ?? String(otherwise);
  if (!/^[1-9]\d{0,14}$/.test(value)) throw wrong(key, value, "a whole number from 1");
  return Number(value);
}

function wrong(key: string, value: string, rule: string): Error {
  return new Error(`-c ${key}=${value}: must match ${rule}`);
}
