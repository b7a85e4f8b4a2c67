import type { DialectCore } from "../core.ts";
import { jsonAnswer } from "./answers.ts";

/** The answer of a process that does not serve this API. */
export function notHere(core: DialectCore): Response {
  const at = core.setting("LIVE_URL");
  return jsonAnswer(
    { message: `this API is served ${at ? `at ${at}` : "by the ground's live server"}` },
    404,
  );
}
