import fc from "fast-check";
import { LONG } from "./long-run.ts";

/** Of every property that names no other. */
const SEED = 20_251_120;

// Before each test file: every run takes the same values, a long one new ones
if (!LONG) fc.configureGlobal({ seed: SEED });
