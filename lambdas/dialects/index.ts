import type { Dialect } from "./dialect.ts";
import { em } from "./em/dialect.ts";
import { kabuto } from "./kabuto/dialect.ts";
import * as named from "./named-dialects.ts";
import { poseidon } from "./poseidon/dialect.ts";
import * as ofServers from "./server-dialects.ts";

/** The public APIs of a ground whose operator names none. Whoever adds one adds it here, or below, and nowhere else. */
export const DIALECTS: readonly Dialect[] = [em, kabuto, poseidon];

/** Those that a Lambda may have: a server may have more. */
export const ON_LAMBDAS: readonly Dialect[] = [...DIALECTS, ...Object.values<Dialect>(named)];

/** Those that are on only where the operator names them. */
export const NAMED_DIALECTS: readonly Dialect[] = [named, ofServers].flatMap((some) =>
  Object.values<Dialect>(some),
);
