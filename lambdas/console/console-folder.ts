import { assetsFolder } from "../assets/assets-folder.ts";

/**
 * The folder with the console's files. PERIGEE_CONSOLE=off turns the console off; a tree in which it was never built has none.
 * @param beside folder of the program's entry
 * @throws Error when the setting is neither `on` nor `off`
 */
export function consoleFolder(environment: NodeJS.ProcessEnv, beside: string): string | undefined {
  const setting = environment.PERIGEE_CONSOLE || "on";
  if (setting !== "on" && setting !== "off") {
    throw new Error(`PERIGEE_CONSOLE: ${JSON.stringify(setting)} is neither on nor off`);
  }
  return setting === "off" ? undefined : assetsFolder("console", beside);
}
