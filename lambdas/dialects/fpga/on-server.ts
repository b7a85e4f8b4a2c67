/** This dialect is for servers: the Lambdas' bundles have nothing in its place (scripts/lambda-bundles.ts). */
export { fpga } from "./dialect.ts";
