import { PerigeeError } from "#protocol/errors.ts";
import { ROOT, type Sources } from "./compiler.ts";

/** Letters that mean nothing to a Dockerfile. */
export const PLAIN = /^[A-Za-z0-9._+@/-]+$/;

/** What descriptions of compilers say of volumes that are directories. */
export const VOLUMES = `
OTHER
Volumes are directories: their type is recorded and has no effect, and their size is a limit.
`;

/** Lines that make the directories where volumes will be, and then stand in the application's. */
export function directories({ mountPoints }: Sources): string {
  const odd = mountPoints.find((at) => !PLAIN.test(at));
  if (odd !== undefined) {
    const rule = "a mount point may hold letters, digits and . _ + @ - only";
    throw new PerigeeError("SOURCES_REFUSED", `${rule}: ${odd.slice(0, 200)}`);
  }
  return [...mountPoints, ROOT].map((at) => `WORKDIR ${at}\n`).join("");
}

/** Lines that say what is started, and on which ports it listens. */
export function started(words: readonly string[], { manifest, args }: Sources): string {
  const ports = manifest.ports.map((port) => `EXPOSE ${port}\n`).join("");
  return `${ports}ENTRYPOINT ${JSON.stringify([...words, ...args])}\n`;
}

/** The manifest's field. @throws PerigeeError SOURCES_REFUSED */
export function needed(field: "main_file" | "binary_name", { manifest }: Sources): string {
  const value = manifest[field];
  if (value !== undefined) return value;
  throw new PerigeeError("SOURCES_REFUSED", `manifest.yaml: ${field}: is needed and missing`);
}
