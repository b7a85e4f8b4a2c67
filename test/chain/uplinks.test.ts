import { uplinksConformance } from "#test/conformance/uplinks.ts";
import { makeWorld } from "#test/support/world.ts";

uplinksConformance("one machine", makeWorld);
