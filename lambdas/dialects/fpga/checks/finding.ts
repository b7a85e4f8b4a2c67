/** What a file can be found to be unfit for; stable words, the beginning of an image's message. */
export type FindingCode =
  | "FORMAT_EMPTY"
  | "OBJECT_TOO_LARGE"
  | "FORMAT_FOREIGN"
  | "FORMAT_TRUNCATED"
  | "FORMAT_INVALID"
  | "DIGEST_MISMATCH"
  | "METADATA_MISMATCH"
  | "EMULATION_BUILD"
  | "FORMAT_UNSUPPORTED"
  | "DEVICE_MISMATCH"
  | "SHELL_MISMATCH";

/** What is wrong with a file. `text` holds no unprintable character, whatever the file holds. */
export type Finding = { code: FindingCode; text: string };

export const finding = (code: FindingCode, text: string): Finding => ({ code, text });
