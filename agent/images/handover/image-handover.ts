/** An image that a run of `user` needs; `imageId` is the engine's content ID (`sha256:…`). */
export type NeededImage = { user: string; imageId: string };

/**
 * Makes images of the container engine reachable for the nodes of a cluster, which pull from a registry
 * onboard and never from the engine.
 */
export interface ImageHandover {
  /**
   * Reference by digest (`registry:5000/<user>-<image>@sha256:…`) under which every node finds the image
   * now; it is pushed first where the registry does not have it. May be repeated, and called at once for
   * many runs.
   * @param doubted a node failed to pull it: all of it is looked for, and what is missing is pushed
   * @throws ImageMissing when the engine no longer has it; PerigeeError REGISTRY_UNAVAILABLE (the registry does
   * not answer or refuses: try again later), STORAGE_FULL (its storage is full), ENGINE_UNAVAILABLE
   */
  reference(image: NeededImage, doubted?: boolean): Promise<string>;
}
