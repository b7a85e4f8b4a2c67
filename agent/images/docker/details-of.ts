import type { ImageInspectInfo } from "dockerode";
import type { ImageDetails } from "../image-store.ts";

/** An image's details, from the engine's inspection of it. */
export function detailsOf(found: ImageInspectInfo): ImageDetails {
  const { Config } = found;
  return {
    id: found.Id,
    size: found.Size,
    os: found.Os,
    architecture: found.Architecture,
    onBuild: (Config?.OnBuild as string[] | null) ?? [],
    env: Config?.Env ?? [],
    volumes: Object.keys(Config?.Volumes ?? {}),
    ports: Object.keys(Config?.ExposedPorts ?? {}).flatMap((port) => {
      const [number, kind] = port.split("/");
      return kind === "tcp" && Number(number) > 0 ? [Number(number)] : [];
    }),
    labels: Config?.Labels ?? {},
    shell: (Config as { Shell?: string[] | null } | undefined)?.Shell ?? [],
  };
}
