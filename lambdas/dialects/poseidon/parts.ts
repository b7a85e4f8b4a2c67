import type { DialectCore } from "../core.ts";

/** The core where this API is served: live sessions exist on a server only. */
export type PoseidonCore = DialectCore & Required<Pick<DialectCore, "live" | "runners">>;

/** Does this process serve the API? A Lambda does not. */
export function isServed(core: DialectCore): core is PoseidonCore {
  return core.live !== undefined && core.runners !== undefined;
}
