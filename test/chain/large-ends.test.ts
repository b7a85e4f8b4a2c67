import { makeWorld } from "#test/support/world.ts";
import { largeEnds } from "./support/large-ends.ts";

largeEnds("SQLite", () => makeWorld());
