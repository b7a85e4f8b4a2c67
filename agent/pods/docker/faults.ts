/** The status of an answer of the engine; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}

/** What the engine said, else the error's own text. */
export function messageOf(error: unknown): string {
  const said = (error as { json?: { message?: string } }).json?.message;
  return said ?? (error instanceof Error ? error.message : String(error));
}

/** The engine answered, and it was about the payload: trying again would not help. */
export function isPayloadsFault(error: unknown): boolean {
  const status = statusOf(error);
  if (status === 400) return true;
  return (
    status === 500 &&
    /OCI runtime|container process|container_linux|unable to find (user|group)|executable file not found|no such file or directory|permission denied/i.test(
      messageOf(error),
    )
  );
}

/** The same for creating a container, which makes the image's WORKDIR: a 500 may also be the engine's own trouble. */
export function isImagesFault(error: unknown): boolean {
  const status = statusOf(error);
  if (status === 400) return true;
  return (
    status === 500 &&
    /Cannot mkdir|not a directory|too many (levels of symbolic )?links|file name too long/i.test(
      messageOf(error),
    )
  );
}

/** The status when it is one of those that mean "nothing to do". */
export async function ignoring(work: Promise<unknown>, ...statuses: number[]): Promise<number | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    const status = statusOf(error);
    if (status === undefined || !statuses.includes(status)) throw error;
    return status;
  }
}
