import { mkdirSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { kubectl } from "./kubectl.ts";

const INFRA = resolve(import.meta.dirname, "../../../infra/kubernetes");

/** What an operator's overlay says of loaders. */
export type LoaderWorld = {
  image: string;
  nodes: Record<string, string>;
  root: string;
  store: string;
  volumes: string;
  /** the agent's configuration, as far as loaders read it */
  agent: object;
};

/**
 * The agent's rights and the loaders' namespace, by an overlay in `directory` as an operator would write it. Said again
 * it changes them.
 * @returns path of the overlay @throws Error when the cluster refuses it
 */
export async function applyLoaderWorld(directory: string, world: LoaderWorld): Promise<string> {
  const overlay = join(directory, "loaders");
  mkdirSync(overlay, { recursive: true });
  const values = [world.volumes, world.image, world.nodes, world.root, world.store];
  const patch = values.map((value, n) => ({
    op: "replace",
    path: `/spec/variables/${n}/expression`,
    value: JSON.stringify(value).replaceAll('"', "'"),
  }));
  writeFileSync(join(overlay, "agent.json"), JSON.stringify(world.agent));
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [relative(overlay, join(INFRA, "access"))],
    components: [relative(overlay, join(INFRA, "fpga"))],
    configMapGenerator: [{ name: "perigee-fpga", namespace: "perigee-fpga", files: ["agent.json"] }],
    generatorOptions: { disableNameSuffixHash: true },
    patches: [
      {
        target: { kind: "ValidatingAdmissionPolicy", name: "perigee-agent" },
        patch: JSON.stringify(patch),
      },
    ],
  };
  writeFileSync(join(overlay, "kustomization.yaml"), JSON.stringify(kustomization));
  const said = await kubectl(["apply", "-k", overlay]);
  if (!said.ok) throw new Error(said.text);
  return overlay;
}

/** Takes away what {@link applyLoaderWorld} made. */
export async function removeLoaderWorld(overlay: string): Promise<void> {
  await kubectl(["delete", "--ignore-not-found", "-k", overlay]);
}
