import { matchesPath } from "../http/path-patterns.ts";
import { KEPT } from "../ports/staging-key.ts";
import type { Dialect } from "./dialect.ts";

const NAME = /^[a-z][a-z0-9]{0,15}$/;
/** Begin the partition keys of the core's records, or its keys in staging. One with a hyphen can be no dialect's. */
const TAKEN = [
  "attempts",
  "commands",
  "edge",
  "edges",
  "former",
  "grants",
  "idempotency",
  "inventory",
  "janitor",
  "live",
  "removals",
  "removed",
  "runs",
  "submission",
  "transfers",
  "user",
  "users",
  "windows",
];
const OWN_PREFIXES = ["uplink", "downlink", "logs", KEPT];
/** Paths of Perigee's own API. */
const OWN_PATHS = [
  "/agent/*",
  "/auth/*",
  "/commands/*",
  "/console/*",
  "/docs/*",
  "/edge/*",
  "/edges/*",
  "/healthz",
  "/me",
  "/metrics",
  "/openapi.json",
  "/operator/*",
  "/pods/*",
  "/runners/*",
  "/sessions",
  "/staging/*",
  "/uplinks/*",
];

/** @throws Error when two dialects, or one and the core, would share a name, a lane, a path or a prefix of staging */
export function checkDialects(dialects: readonly Dialect[]): void {
  for (const { name, lanes, stagingPrefixes = [] } of dialects) {
    if (!NAME.test(name) || TAKEN.includes(name)) throw new Error(`a dialect cannot be called ${name}`);
    if (lanes.length === 0) throw new Error(`dialect ${name} has no lane`);
    for (const { prefix } of stagingPrefixes) {
      if (!NAME.test(prefix) || OWN_PREFIXES.includes(prefix)) {
        throw new Error(`dialect ${name}: staging keys cannot begin with ${prefix}`);
      }
    }
  }
  once(dialects, "name", ({ name }) => [name]);
  once(dialects, "lane", ({ lanes }) => lanes.map(({ name }) => name));
  once(dialects, "prefix of staging", ({ stagingPrefixes = [] }) =>
    stagingPrefixes.map(({ prefix }) => prefix),
  );
  const claims = [
    ...OWN_PATHS.map((path) => ({ name: "perigee", path })),
    ...dialects.flatMap(({ name, paths }) => paths.map((path) => ({ name, path }))),
  ];
  for (const one of claims) {
    const other = claims.find(({ name, path }) => name !== one.name && matchesPath(path, one.path));
    if (other) throw new Error(`dialects ${other.name} and ${one.name} both answer at ${one.path}`);
  }
}

function once(dialects: readonly Dialect[], what: string, of: (dialect: Dialect) => string[]): void {
  const seen = new Map<string, string>();
  for (const dialect of dialects) {
    for (const value of of(dialect)) {
      const other = seen.get(value);
      if (other !== undefined)
        throw new Error(`dialects ${other} and ${dialect.name} share the ${what} ${value}`);
      seen.set(value, dialect.name);
    }
  }
}
