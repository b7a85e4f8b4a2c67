import fs from "node:fs";
import type { Directory } from "./directory.ts";
import { openBeneath } from "./open-beneath.ts";

/** Calls `work` with a descriptor of the one file that is in a tree, whatever its path. @throws Error when there is none */
export async function withOnlyFile<T>(tree: Directory, work: (fd: number) => Promise<T>): Promise<T> {
  let place = "";
  let opened = openBeneath(tree, place);
  while (opened.kind === "directory") {
    const [name] = opened.directory.names();
    opened.directory.close();
    if (name === undefined) throw new Error("there is no file");
    place = place === "" ? name : `${place}/${name}`;
    opened = openBeneath(tree, place);
  }
  if (opened.kind !== "file") throw new Error("there is no regular file");
  try {
    return await work(opened.fd);
  } finally {
    fs.closeSync(opened.fd);
  }
}
