import { GiB } from "#protocol/limits.ts";

/** What a PUT to a URL that is signed for S3 has to keep to. */
export const SIGNED_PUT = { lengthNeeded: true, mostBytes: 5 * GiB };
