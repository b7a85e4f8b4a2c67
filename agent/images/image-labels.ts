/** Label key of what is built here; its value is the agent's instance. Containers of a build carry it too. */
export const IMAGE_LABEL = "perigee.image";
/** Label key of the user for whom it was built. */
export const IMAGE_USER_LABEL = "perigee.image.user";

/** Does the key belong to the agent? No Dockerfile may set it, and no loaded image may have it. */
export function isAgentLabel(key: string): boolean {
  return /^\s*perigee\./i.test(key);
}

/**
 * The first label for which an image must not be run, built on or published: one of the agent's, other than the two
 * that images built onboard have.
 */
export function reservedLabelOf(
  labels: Readonly<Record<string, string>> | null | undefined,
): string | undefined {
  return Object.keys(labels ?? {}).find(
    (key) => isAgentLabel(key) && key !== IMAGE_LABEL && key !== IMAGE_USER_LABEL,
  );
}
