/** A Lambda's bundle has of these only what its deployment names (scripts/lambda-bundles.ts). */
export { fpga } from "./fpga/dialect.ts";
