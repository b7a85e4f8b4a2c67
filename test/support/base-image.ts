export { makeBusyboxImage } from "../../scripts/base-image.ts";
