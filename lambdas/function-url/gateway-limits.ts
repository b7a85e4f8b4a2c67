import { MiB } from "#protocol/limits.ts";
import type { GatewayLimits } from "../ground.ts";

/** Lambda takes events of 6 MB, in which a body that is not text is base64, beside its headers. */
const REQUEST_BYTES = 4.25 * MiB;
/** Lambda streams 200 MB, the part over 6 MB at 2 MB/s: what lasts longer is better fetched from S3. */
const STREAMED_BYTES = 32 * MiB;
/** A whole answer is bounded like an event. */
const BUFFERED_BYTES = 4.25 * MiB;

/** What passes through a function URL in that mode. */
export function gatewayLimits(streaming: boolean): GatewayLimits {
  return { requestBytes: REQUEST_BYTES, answerBytes: streaming ? STREAMED_BYTES : BUFFERED_BYTES };
}
