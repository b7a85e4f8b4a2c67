/** Label key of what is built here; its value is the agent's instance. Containers of a build carry it too. */
export const IMAGE_LABEL = "perigee.image";
/** Label key of the user for whom it was built. */
export const IMAGE_USER_LABEL = "perigee.image.user";

/** Is `key` one of those by which the agent marks what is its own? No Dockerfile sets one. */
export function isAgentLabel(key: string): boolean {
  return /^\s*perigee\./i.test(key);
}

/** Would an image with this label look like something else of the agent's? What was built onboard has ours. */
export function isReservedLabel(key: string): boolean {
  return isAgentLabel(key) && key !== IMAGE_LABEL && key !== IMAGE_USER_LABEL;
}

/** Is it a label that only the agent may give? */
export function isOurLabel(key: string): boolean {
  return key.startsWith("perigee.");
}
