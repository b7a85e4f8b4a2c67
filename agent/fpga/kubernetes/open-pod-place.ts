import { KubernetesApi } from "../../pods/kubernetes/api.ts";
import type { KubernetesConfig } from "../../pods/kubernetes/config.ts";
import type { LoadPlace } from "../devices/load-place.ts";
import { LoaderPods } from "./loader-pods.ts";
import { PodProgrammer } from "./pod-programmer.ts";

/** A node without a device is asked again after this long: somebody may have loaded its driver. */
const AGAIN_MS = 10 * 60_000;

/** Devices of a cluster's nodes. @param store the agent's directory of the files for them @throws Error without credentials */
export async function openPodPlace(
  { kubeconfig, context, kinds, fpga }: KubernetesConfig,
  { instance, store }: { instance: string; store: string },
): Promise<LoadPlace> {
  if (!fpga) throw new Error("kubernetes.fpga is not configured");
  const api = await KubernetesApi.open(kubeconfig ? { kubeconfig, context } : { inCluster: true });
  const pods = new LoaderPods({
    ...{ api, instance, image: fpga.image, store: fpga.store ?? store },
    kind: kinds.FPGA ?? { labels: {} },
  });
  return {
    programmers: (device) => [new PodProgrammer(device, pods)],
    clear: (device) => pods.clear(device),
    close: () => {
      pods.close();
      api.close();
    },
    slow: { againMs: AGAIN_MS },
  };
}
