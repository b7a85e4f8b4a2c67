import { readFileSync } from "node:fs";
import * as z from "zod";

const lane = z.strictObject({
  /** default: as fast as it goes */
  bitsPerSecond: z.number().positive().optional(),
  /** ms from the last bit sent to the last bit received */
  delayMs: z.number().min(0).default(0),
  /** a packet takes up to so many ms more; none overtakes another */
  jitterMs: z.number().min(0).default(0),
  /** part of the packets that do not arrive, 0 to 1 */
  loss: z.number().min(0).max(1).default(0),
  /** bytes that wait to be sent; what comes beyond them is dropped */
  queueBytes: z.number().positive().default(262_144),
});

/** When the link is there: from `firstMs` after its start for `lengthMs`, again `everyMs` after each beginning. */
const windows = z.strictObject({
  firstMs: z.number().min(0),
  lengthMs: z.number().positive(),
  everyMs: z.number().positive(),
});

/** `up` is the way to the edge, `down` the way from it. Without `windows` the link is always there. */
const profile = z.strictObject({
  what: z.string(),
  up: lane,
  down: lane,
  windows: windows.optional(),
});

export type Lane = z.infer<typeof lane>;
export type Profile = z.infer<typeof profile>;

const PROFILES = new URL("profiles.json", import.meta.url);

/** The profiles of a file (default: those beside this one). */
export function readProfiles(file: string | URL = PROFILES): Record<string, Profile> {
  return z.record(z.string(), profile).parse(JSON.parse(readFileSync(file, "utf8")));
}

/** The same link `factor` times as quick: what fits into a delay or into a window stays the same. */
export function quicker(profile: Profile, factor: number): Profile {
  const lane = (of: Lane): Lane => ({
    ...of,
    ...(of.bitsPerSecond !== undefined && { bitsPerSecond: of.bitsPerSecond * factor }),
    delayMs: of.delayMs / factor,
    jitterMs: of.jitterMs / factor,
  });
  const { windows } = profile;
  return {
    ...profile,
    up: lane(profile.up),
    down: lane(profile.down),
    ...(windows && {
      windows: {
        firstMs: windows.firstMs / factor,
        lengthMs: windows.lengthMs / factor,
        everyMs: windows.everyMs / factor,
      },
    }),
  };
}
