import type { PodRig } from "./pod-rig.ts";

/**
 * An image whose first process is a shell's script in place of one that starts a machine. It goes with the rig.
 * @param script without single quotes
 * @returns its ID
 */
export function playedWarden(rig: PodRig, name: string, script: string): Promise<string> {
  const write = `printf '#!/bin/sh\\n%s\\n' '${script}' > warden && chmod 755 warden`;
  return rig.variant(name, {}, `mkdir -p /usr/lib/perigee && cd /usr/lib/perigee && ${write}`);
}
