/** What is wrong with a Dockerfile, in words for its author. */
export class DockerfileError extends Error {
  override readonly name = "DockerfileError";
}

/** Puts what it is about before the message of a DockerfileError that `read` throws. */
export function located<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw locate(where, error);
  }
}

/** The error with `where` before its message; an error of another kind as it is. */
export function locate(where: string, error: unknown): unknown {
  return error instanceof DockerfileError ? new DockerfileError(`${where}: ${error.message}`) : error;
}

/** A part of a user's text for a message: short, and on one line. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
