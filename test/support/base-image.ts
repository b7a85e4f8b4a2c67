export { makeBusyboxImage } from "../../scripts/base-image.ts";
export { makeRunnerImage, RUNNER_IMAGE } from "../../scripts/runner-image.ts";
