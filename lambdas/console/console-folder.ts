import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * The folder with the console's files: beside the bundle that runs, or where `npm run build` puts it when the sources run.
 * PERIGEE_CONSOLE=off turns the console off; a tree in which it was never built has none.
 * @param beside folder of the program's entry
 * @throws Error when the setting is neither `on` nor `off`
 */
export function consoleFolder(environment: NodeJS.ProcessEnv, beside: string): string | undefined {
  const setting = environment.PERIGEE_CONSOLE || "on";
  if (setting !== "on" && setting !== "off") {
    throw new Error(`PERIGEE_CONSOLE: ${JSON.stringify(setting)} is neither on nor off`);
  }
  if (setting === "off") return undefined;
  const places = [join(beside, "console"), join(beside, "../../dist/console")];
  return places.find((folder) => existsSync(join(folder, "index.html")));
}
