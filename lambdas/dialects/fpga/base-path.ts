/** Where images are asked for. */
export const BASE = "/v1/:project/cloudservers/fpga_image";
/** Where images would be made from design checkpoints. */
export const CHECKPOINT = "/v2/:project/cloudservers/fpga_image";
export const TOKENS = "/v3/auth/tokens";
export const PROJECTS = "/v3/projects";
