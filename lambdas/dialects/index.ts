import type { Dialect } from "./dialect.ts";
import { em } from "./em/dialect.ts";
import { kabuto } from "./kabuto/dialect.ts";
import { poseidon } from "./poseidon/dialect.ts";

/** Every public API that this ground can speak. Whoever adds one adds it here, and nowhere else. */
export const DIALECTS: readonly Dialect[] = [em, kabuto, poseidon];
