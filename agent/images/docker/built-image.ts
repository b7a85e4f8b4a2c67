import { DockerfileError, shown } from "../dockerfile/error.ts";
import { readTrigger } from "../dockerfile/trigger.ts";
import { isAgentLabel } from "../image-labels.ts";
import type { ImageDetails } from "../image-store.ts";

/**
 * Why an image that was built must not be kept, undefined if it may: of the labels that mark what is the
 * agent's it has to have exactly `own`, and no trigger that could set one.
 */
export function refusalOfBuilt(
  { labels, onBuild }: Pick<ImageDetails, "labels" | "onBuild">,
  own: Readonly<Record<string, string>>,
): string | undefined {
  for (const [key, value] of Object.entries(labels)) {
    if (isAgentLabel(key) && own[key] !== value) return `the image has the reserved label ${shown(key)}`;
  }
  if (Object.keys(own).some((key) => labels[key] !== own[key])) return "the image lacks a label of its build";
  for (const text of onBuild) {
    try {
      readTrigger(text);
    } catch (error) {
      if (error instanceof DockerfileError) return error.message;
      throw error;
    }
  }
  return undefined;
}
