/** Those of the named ones that a server alone has: no Lambda's bundle holds them (scripts/lambda-bundles.ts). */
export { unik } from "./unik/dialect.ts";
