import type { CommandView } from "../command-view.ts";
import type { FpgaImage } from "./fpga-api.ts";

const MB = 1_048_576;
const WITHOUT_CONTACT = /^waiting for contact since (\d{4}-\d\d-\d\d) (\d\d:\d\d):\d\d$/;

/**
 * What an image that is `saving` waits for. Where contact ended in the middle of the transfer it says how much has arrived,
 * which the image's own message does not.
 * @param command that stores the image
 */
export function progressText({ message }: FpgaImage, command: CommandView, now: number): string {
  const [, day, minute] = WITHOUT_CONTACT.exec(message ?? "") ?? [];
  const { done = 0, total = 0 } = command.progress ?? {};
  if (day === undefined || done === 0) return message ?? "saving";
  const at = new Date(now).toISOString().startsWith(day) ? `${minute}Z` : `${day} ${minute}Z`;
  return `${Math.floor(done / MB)} of ${Math.ceil(total / MB)} MB have arrived and contact was lost at ${at}`;
}

/** May there be more to say of the image than its message does? */
export const isWithoutContact = ({ message }: FpgaImage): boolean => WITHOUT_CONTACT.test(message ?? "");
