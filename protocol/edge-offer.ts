import * as z from "zod";
import { MACHINES_RUN } from "./machines.ts";

/** What an edge can do now: providers whose engine answered, and compilers with what those lack that would not work. */
export const edgeOffer = z.object({
  providers: z.array(z.string().regex(/^[a-z]{1,16}$/)).max(10),
  compilers: z
    .array(
      z.object({
        /** `base-language-provider` */
        name: z.string().regex(/^[a-z]{1,16}-[a-z]{1,16}-[a-z]{1,16}$/),
        /** for people */
        description: z.string().max(8000),
        /** absent: its check has succeeded since the agent's start */
        missing: z.string().max(500).optional(),
        /** how its machines run; absent: it makes none, or that is not known yet */
        machines: z.enum(MACHINES_RUN).optional(),
      }),
    )
    .max(100),
  /** bytes that one instance may have at most */
  instanceMemoryBytes: z.number().int().positive().optional(),
});
export type EdgeOffer = z.infer<typeof edgeOffer>;
