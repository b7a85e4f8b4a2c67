import * as z from "zod";

/*
 * What an agent of version 0.1 takes, as it was written down then: nothing more than these names and fields. This is
 * a fixture. It is never changed to what the protocol is today.
 */

const volume = z.string();
const path = z.string();
const words = z.array(z.string()).optional();

export const FIRST_INPUTS = {
  "volume.uplink": z.strictObject({ volume, count: z.number(), bytes: z.number() }),
  "volume.list": z.strictObject({ volume }),
  "volume.read": z.strictObject({
    volume,
    path,
    range: z
      .strictObject({
        start: z.number().optional(),
        end: z.number().optional(),
        suffix: z.number().optional(),
      })
      .optional(),
    ifRange: z.string().optional(),
  }),
  "volume.delete": z.strictObject({ volume, path }),
  "volumes.list": z.strictObject({}),
  "volumes.delete": z.strictObject({ volume }),
  "image.build": z.strictObject({ volume, dockerfile: path, context: path, image: z.string() }),
  "image.load": z.strictObject({ volume, tarfile: path, image: z.string() }),
  "image.list": z.strictObject({}),
  "image.delete": z.strictObject({ image: z.string() }),
  "pod.run": z.strictObject({
    pod: z.string(),
    volume,
    image: z.string(),
    node: z.enum(["MPU", "GPU", "FPGA"]),
    maxDuration: z.number().int().min(1),
    scheduledTime: z.number().optional(),
    command: words,
    args: words,
    ports: z.array(z.number()),
    envs: z.record(z.string(), z.string()),
  }),
  "pod.status": z.strictObject({ pod: z.string() }),
  "pod.stop": z.strictObject({ pod: z.string() }),
  "nodes.status": z.strictObject({}),
  "edge.publish": z.strictObject({ image: z.string() }),
} as const;
export type FirstName = keyof typeof FIRST_INPUTS;

export const FIRST_CLAIMED = z.object({
  id: z.string(),
  user: z.string(),
  operation: z.enum(Object.keys(FIRST_INPUTS) as [FirstName, ...FirstName[]]),
  input: z.unknown(),
  attempts: z.number(),
  deadline: z.number(),
  cancelRequested: z.boolean(),
  hasFiles: z.boolean(),
});
export type FirstClaimed = z.infer<typeof FIRST_CLAIMED>;
