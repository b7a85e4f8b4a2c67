import { createHash } from "node:crypto";
import { MESSAGE_DIRECTORY, MESSAGE_FILE, UP } from "../../pods/kubernetes/node-files.ts";

/** Everything that nodes mount into every container, as what it must be there for. */
const DIRECTORIES = [MESSAGE_DIRECTORY, "data", "dev", "etc", "proc", "sys"];
const FILES = [`${MESSAGE_DIRECTORY}/${MESSAGE_FILE}`, "etc/hostname", "etc/hosts", "etc/resolv.conf"];
/** Path and target. */
const LINKS = [[`${MESSAGE_DIRECTORY}/${UP}`, "."]] as const;

const BLOCK = 512;

/** A layer of an image: `data` is an uncompressed tar, so `digest` is its diff ID too. */
export type Layer = { mediaType: string; digest: string; data: Buffer };

/**
 * The layer that goes over every image on its way to the nodes, as a Docker engine puts one over every container:
 * whatever is mounted lies on a real directory or file. A link there would be followed outside of the image by runc
 * (older ones do for `/dev`), or into the user's volume. A directory that the image has keeps its content.
 */
export const LAST_LAYER: Layer = layerOf(tar());

function layerOf(data: Buffer): Layer {
  const digest = `sha256:${createHash("sha256").update(data).digest("hex")}`;
  return { mediaType: "application/vnd.oci.image.layer.v1.tar", digest, data };
}

/** The same bytes in every process and version: the digest of every image rests on them. */
function tar(): Buffer {
  return Buffer.concat([
    ...DIRECTORIES.map((path) => header(`${path}/`, "5", "0000755")),
    ...FILES.map((path) => header(path, "0", "0000644")),
    ...LINKS.map(([path, target]) => header(path, "2", "0000777", target)),
    Buffer.alloc(2 * BLOCK),
  ]);
}

/** A ustar header of something empty, owned by root. */
function header(name: string, type: "0" | "2" | "5", mode: string, target = ""): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write(`${mode}\0`, 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write("00000000000\0", 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(target, 157);
  block.write("ustar\0" + "00", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
