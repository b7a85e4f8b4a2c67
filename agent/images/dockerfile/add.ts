import { DockerfileError, shown } from "./error.ts";

/** What this engine or a later one would fetch from somewhere else. */
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|git@)|\.git#/i;

/**
 * A source of ADD, variables expanded, as one that cannot be taken for a URL: `./` before it means the same
 * in the context.
 * @throws DockerfileError
 */
export function localSource(source: string): string {
  if (REMOTE.test(source)) {
    throw new DockerfileError(`${shown(source)}: there is no network, remote sources are not allowed`);
  }
  return source.startsWith("./") ? source : `./${source.replace(/^\/+/, "")}`;
}
