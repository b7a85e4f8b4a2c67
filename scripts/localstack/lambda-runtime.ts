import { fileURLToPath } from "node:url";

/** Names of the images that Lambdas run in, in host mode; `<runtime>` is LocalStack's own placeholder. */
export const LAMBDA_RUNTIMES = "perigee/lambda-runtime:<runtime>";

/** Directory of the process that LocalStack puts into each Lambda's container as its first. */
export const LAMBDA_INIT = fileURLToPath(new URL("lambda-image/rapid", import.meta.url));
