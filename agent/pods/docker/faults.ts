import { messageOf, statusOf } from "../../engine/engine-call.ts";

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
