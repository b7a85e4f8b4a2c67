import fs from "node:fs";
import { promisify } from "node:util";
import { PerigeeError } from "#protocol/errors.ts";
import { killPoint } from "#protocol/kill-point.ts";
import { markUplinked, UPLINK_MODE } from "../../files/uplink-mark.ts";
import type { OperationHandler } from "../../operation.ts";
import { openFile } from "../chunks.ts";
import type { VolumeDeps } from "../volume-deps.ts";
import type { Volumes } from "../volumes.ts";
import { planOf } from "./plan.ts";
import { assertBase, baseChanged, rebuild } from "./rebuild.ts";
import { receiveFile, receiving } from "./receive.ts";
import { landing, type Received } from "./uplink.ts";

const fsync = promisify(fs.fsync);
/** What is put in place; the delta is the staged file 0. */
const REBUILT = 1;

/**
 * Puts a file in place that is made of a staged delta and the file that is there: as an uplink does, beside it, checked
 * and durable first.
 * @throws PerigeeError as an uplink, and DELTA_INVALID, DELTA_BASE_CHANGED: then nothing has changed
 */
export function patchHandler(volumes: Volumes, deps: VolumeDeps): OperationHandler<"volume.patch"> {
  return landing(volumes, deps, {
    plan: async ({ input: { path, bytes: size, xxh64 } }) => planOf([{ n: REBUILT, path, size, xxh64 }]),
    receive: (received) => receivePatch(volumes, received),
  });
}

async function receivePatch(volumes: Volumes, received: Received<"volume.patch">): Promise<void> {
  const { incoming, context, assertRoom } = received;
  const { command, input, progress, signal } = context;
  if (incoming.has(REBUILT)) return;
  const [staged] = await context.manifest();
  if (staged === undefined) throw new Error("a delta without its file");
  const delta = { ...staged, n: 0 };
  const { directory } = incoming;
  await receiving(context, async () => {
    const { base } = input;
    // from a ground of an earlier version, which does not name it: its sender is to send the whole file
    if (base === undefined) throw baseChanged();
    const openBase = async () => {
      using root = volumes.open(command.user, input.volume);
      const old = root && openFile(root, input.path);
      if (old === undefined) throw baseChanged();
      try {
        await assertBase(old.fd, base, signal);
        return old.fd;
      } catch (error) {
        fs.closeSync(old.fd);
        throw error;
      }
    };
    if (!incoming.has(0)) {
      // nothing crosses the link in vain
      fs.closeSync(await openBase());
      assertRoom(input.bytes + delta.size);
      await receiveFile(incoming, delta, context, (done) => {
        progress({ phase: "receiving", done, total: delta.size, unit: "bytes" });
      });
    }
    const old = await openBase();
    const part = `${REBUILT}.part`;
    const into = fs.openSync(directory.at(part), "w", 0o600);
    const from = directory.openFile("0");
    try {
      markUplinked(into);
      fs.fchmodSync(into, UPLINK_MODE);
      const written = (done: number) =>
        progress({ phase: "rebuilding", done, total: input.bytes, unit: "bytes" });
      const { bytes: size, sha256, xxh64 } = input;
      try {
        await rebuild({ delta: from, old, into, target: { size, sha256, xxh64 }, signal, written });
      } catch (error) {
        // a pod may have written to the old file meanwhile, for which the delta can do nothing
        if (error instanceof PerigeeError) await assertBase(old, base, signal);
        throw error;
      }
      await fsync(into);
    } finally {
      for (const fd of [into, from, old]) fs.closeSync(fd);
    }
    killPoint("uplink.rebuilt");
    directory.rename(part, directory, String(REBUILT));
    directory.sync();
  });
}
