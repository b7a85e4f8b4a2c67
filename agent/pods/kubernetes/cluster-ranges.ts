import { isIPv4 } from "node:net";
import { NoRunnerNetwork } from "../pod-runtime.ts";
import type { KubernetesApi } from "./api.ts";
import type { Node } from "./types.ts";

type Slice = { endpoints?: { addresses?: string[] }[] };

/** The API server keeps its own addresses here. */
const API_SERVER = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";

/**
 * IPv4 addresses and ranges that are the cluster's, though they may be public: its nodes, their pods, and the API server.
 * (Services have addresses that lead to pods or to these.)
 * @param hostAddress at which ports of runners are reached
 * @throws NoRunnerNetwork where the cluster does not tell: rules without them would let a runner get there
 */
export async function clusterRanges(api: KubernetesApi, hostAddress?: string): Promise<string[]> {
  try {
    const [{ items: nodes }, { endpoints = [] }] = await Promise.all([
      api.list<Node>("/api/v1/nodes"),
      api.call<Slice>(API_SERVER),
    ]);
    const found = [
      ...nodes.flatMap(({ status }) => (status?.addresses ?? []).map(({ address }) => address)),
      ...nodes.flatMap(({ spec }) => spec?.podCIDRs ?? []),
      ...endpoints.flatMap(({ addresses = [] }) => addresses),
      ...(hostAddress === undefined ? [] : [hostAddress]),
    ];
    return [...new Set(found)].filter((range) => isIPv4(range.split("/", 1)[0]!)).sort();
  } catch (error) {
    throw new NoRunnerNetwork("runners have no network here: the cluster does not tell its addresses", {
      cause: error,
    });
  }
}
