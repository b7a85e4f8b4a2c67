import { once } from "node:events";

/** Writes to stdout, as fast as its reader takes it. */
export async function writeOut(chunk: Buffer | string | undefined): Promise<void> {
  if (chunk?.length && !process.stdout.write(chunk)) await once(process.stdout, "drain");
}
