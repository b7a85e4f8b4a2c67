import * as z from "zod";
import { LIMITS } from "./limits.ts";

/** A path inside a volume: relative, `/` between components, no `.`, `..` or empty ones; "" is the root. */
export const volumePath = z
  .string()
  .max(LIMITS.pathBytes)
  .refine(
    (path) => path === "" || path.split("/").every((part) => part !== "" && part !== "." && part !== ".."),
    "must be relative and normalised",
  )
  .refine((path) => !path.includes("\0"), "must not hold NUL");
