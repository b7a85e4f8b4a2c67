import { handler as bare } from "./bare-lambda.ts";

/** When the bare Lambda was ready, in ms since its process started: what is imported has been run before. */
const ready = performance.now();
export const handler = async () => ({ ready, bare: typeof bare });
