import type { KubernetesApi } from "../../pods/kubernetes/api.ts";

type Review = { status?: { allowed?: boolean } };

const PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/**
 * May this agent execute in pods? API servers want `get` of a WebSocket, newer ones `create`. A cluster that does not
 * answer may allow it: an execution tells.
 */
export async function mayExec(api: KubernetesApi): Promise<boolean> {
  const asked = ["get", "create"].map((verb) =>
    api.call<Review>(PATH, {
      method: "POST",
      body: {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: { verb, version: "v1", resource: "pods", subresource: "exec" } },
      },
    }),
  );
  try {
    return (await Promise.all(asked)).every(({ status }) => status?.allowed === true);
  } catch {
    return true;
  }
}
