import type { RunMount } from "../pod-runtime.ts";

/** The volumes of a pod and where its container has them, for the mounts of a run. Pure. */
export function mountsOf(mounts: readonly RunMount[]): { volumes: object[]; volumeMounts: object[] } {
  const claims = [...new Set(mounts.map(({ volume }) => volume))];
  const nameOf = (claim: string) => (claim === claims[0] ? "data" : `data-${claims.indexOf(claim)}`);
  return {
    volumes: claims.map((claim) => ({
      name: nameOf(claim),
      persistentVolumeClaim: { claimName: claim },
    })),
    volumeMounts: mounts.map(({ volume, at, subPath, readOnly }) => ({
      name: nameOf(volume),
      mountPath: at,
      ...(subPath && { subPath }),
      ...(readOnly && { readOnly }),
    })),
  };
}
