/** What only a server does: it is not in the Lambdas' bundles (scripts/lambda-bundles.ts). */
export { objectStoreListeners } from "./object-store/listener.ts";
