import type { OperationHandler } from "../operation.ts";
import type { ImageDeps } from "./image-deps.ts";
import type { ImageStore } from "./image-store.ts";
export function loadImage(_store: ImageStore, _deps: ImageDeps): OperationHandler<"image.load"> {
  return () => Promise.reject(new Error("not there yet"));
}
