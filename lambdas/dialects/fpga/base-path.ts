/** Where images are asked for. */
export const BASE = "/v1/:project/cloudservers/fpga_image";
/** Where images would be made from design checkpoints. */
export const CHECKPOINT = "/v2/:project/cloudservers/fpga_image";
export const TOKENS = "/v3/auth/tokens";
export const PROJECTS = "/v3/projects";
/** Perigee's own way to objects and keys. */
export const OWN = "/fpga";
export const OBJECTS = `${OWN}/objects`;
export const KEYS = `${OWN}/keys`;
export const IMAGES = `${OWN}/images`;
export const CONTAINER_IMAGES = `${OWN}/container-images`;

/** Is it Perigee's own way, with its own authentication and errors? */
export const isOwn = (path: string): boolean => path.startsWith(`${OWN}/`);
