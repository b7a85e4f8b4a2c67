import { existsSync } from "node:fs";
import { join } from "node:path";
import { PAGE } from "./register-assets.ts";

/**
 * The folder with the files of a page: beside the bundle that runs, or where `npm run build` puts it when the sources
 * run. A tree in which it was never built has none.
 * @param beside folder of the program's entry
 */
export function assetsFolder(name: string, beside: string): string | undefined {
  const places = [join(beside, name), join(beside, "../../dist", name)];
  return places.find((folder) => existsSync(join(folder, PAGE)));
}
