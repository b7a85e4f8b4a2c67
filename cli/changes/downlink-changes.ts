import { mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CHANGES_FILE, type VolumeChanges, volumeChanges } from "#protocol/volume-changes.ts";
import { CliFailure, usage } from "../failure.ts";
import { mustBeFree } from "../files/must-be-free.ts";
import { PartFile } from "../files/part-file.ts";
import { isTar } from "../http/download.ts";
import { EdgeFile, transfer } from "../http/edge-file.ts";
import type { VolumeOptions } from "../options.ts";
import { bytes, fileCount, safe } from "../output/text.ts";
import type { Session } from "../session.ts";
import { KeptListing } from "./kept-listing.ts";
import { mergeInto, removeGone } from "./merge.ts";

/** What no edge knows: everything comes. */
const NONE = "none";

/**
 * `perigee downlink --changed`: keeps the directory `target` as it is on the edge. When it is cut, or fails, the same
 * command does it again.
 */
export async function downlinkChanges(
  session: Session,
  path: string,
  target: string,
  options: VolumeOptions & { delete?: boolean },
): Promise<undefined> {
  const { client, output, credentials } = session;
  const { edge, url } = client.options;
  const { pod, volume } = options;
  const kept = new KeptListing(dirname(credentials.path), { url, edge, pod, volume, path }, target);
  const before = await kept.read();
  if (!before) await mustBeFree(target);
  const source = new EdgeFile(client, path, options, { "Perigee-Since": before?.listing ?? NONE });
  const part = await PartFile.open(target, { url, edge, pod, volume, path });
  try {
    const { headers } = await transfer(session, source, part);
    if (!isTar(headers)) throw usage(`${path} is a file`, "leave --changed out");
    if (headers["perigee-listing"] === undefined) {
      throw new CliFailure("NOT_OFFERED", "this ground or its edge is too old to tell what has changed", {
        hint: "leave --changed out, or update it",
      });
    }
    const unpacked = await unpack(session, part.path, target);
    const { changes, found } = unpacked;
    if (before && changes.since === null) {
      output.notice(
        "the edge knew no more what is here: everything came, and what is gone there is still here",
      );
    }
    const told = new Set([...(before?.gone ?? []), ...goneOf(changes)]);
    const removed = { count: 0, left: [] as string[] };
    const remove = async (paths: Iterable<string>) => {
      for (const gone of paths) {
        if (await removeGone(target, gone)) removed.count++;
        else removed.left.push(gone);
      }
    };
    try {
      if (options.delete && before) await remove(told);
      const came = before ? await mergeInto(unpacked.tree, target) : await place(unpacked.tree, target);
      const left = options.delete
        ? removed.left
        : [...told].filter((gone) => !came.has(gone.replace(/\/$/, "")));
      await kept.write(changes.listing, left);
      await part.discard();
      if (left.length > 0) {
        const why = options.delete ? "not empty here" : "--delete removes it here";
        output.notice(`${left.length} files and directories are gone on the edge (${why})`);
      }
      const data = {
        path,
        directory: target,
        ...found,
        since: changes.since ?? undefined,
        listing: changes.listing,
        gone: left.length,
        removed: removed.count,
      };
      output.result({ message: "Successfully downlinked changes", data }, () => {
        const gone = removed.count > 0 ? `, ${removed.count} removed` : "";
        return `Brought ${fileCount(found.files)}, ${bytes(found.bytes)}, to ${safe(target)}${gone}`;
      });
    } finally {
      await rm(unpacked.beside, { recursive: true, force: true });
    }
  } catch (error) {
    const final = error instanceof CliFailure && ["USAGE", "NOT_OFFERED"].includes(error.code);
    if (final) await part.discard();
    else await part.leave();
    throw error;
  }
}

/** Unpacks the tar beside the target, whole, before anything of the target changes. */
async function unpack(session: Session, tar: string, target: string) {
  const { output, signal } = session;
  const { extractTar } = await import("../files/extract.ts");
  const beside = await mkdtemp(join(dirname(target), `.${basename(target)}.perigee-changed-`));
  try {
    let changes: VolumeChanges | undefined;
    const manifest = (name: string, text: string) => {
      if (name === CHANGES_FILE) changes = parsed(text);
    };
    const tree = join(beside, "tree");
    const found = await extractTar(tar, tree, { notice: (text) => output.notice(text), signal, manifest });
    if (!changes) throw new CliFailure("BAD_ANSWER", "the tar does not begin with what has changed");
    return { beside, tree, found, changes };
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw error;
  }
}

async function place(tree: string, target: string): Promise<Set<string>> {
  await rename(tree, target);
  return new Set();
}

function parsed(text: string): VolumeChanges | undefined {
  try {
    return volumeChanges.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** One character per byte, as names are compared and removed. */
function goneOf({ gone, gone_base64 }: VolumeChanges): string[] {
  return [
    ...gone.map((path) => Buffer.from(path).toString("latin1")),
    ...gone_base64.map((path) => Buffer.from(path, "base64").toString("latin1")),
  ];
}
