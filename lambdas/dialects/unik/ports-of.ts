/** Of an image that names none. */
const DEFAULT = [8080];

/** The ports that an image's application listens on, by what its sources say. */
export function portsOf(ports: readonly number[]): number[] {
  return ports.length > 0 ? [...ports] : DEFAULT;
}
