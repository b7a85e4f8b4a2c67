import type { Registry } from "../../docs/registry.ts";

/** The routes in the OpenAPI document. */
export function documentKabuto(_registry: Registry): void {}
