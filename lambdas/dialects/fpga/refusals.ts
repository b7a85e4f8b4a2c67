import { PerigeeError } from "#protocol/errors.ts";
import type { ErrorShape } from "../../http/errors.ts";
import { SAFE_HEADERS } from "../../http/safe-headers.ts";

/** Statuses and codes of this API: clients compare them. */
const KINDS = {
  rule: [400, "Ecs.0005"],
  blank: [400, "Common.0002"],
  otherProject: [400, "Common.0018"],
  unauthorized: [401, "Common.0013"],
  unknown: [404, "Ecs.0031"],
  notActive: [400, "Ecs.0032"],
  quota: [400, "Ecs.0001"],
  busy: [429, "Common.1503"],
  noRoute: [404, "Perigee.NOT_FOUND"],
  noMethod: [405, "Perigee.METHOD_NOT_ALLOWED"],
  tooLarge: [413, "Perigee.BODY_TOO_LARGE"],
  notImplemented: [501, "Perigee.NOT_IMPLEMENTED"],
  fault: [500, "Common.0001"],
} as const satisfies Record<string, readonly [status: number, code: string]>;

export type RefusalKind = keyof typeof KINDS;

function refusal(kind: RefusalKind, message: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", message, { data: { fpga: kind } });
}

/** Every refusal of this API's own, with its text. `project` and ids are as in the request's URL. */
export const REFUSALS = {
  rule: (field: string, rule: string) => refusal("rule", `${field}: ${rule}`),
  blank: () => refusal("blank", "The request body cannot be left blank."),
  otherProject: () =>
    refusal("otherProject", "The project ID in the URL is different from that in the token."),
  unknownImage: (project: string, image: string) =>
    refusal("unknown", `tenant [${project}] fpga image [${image}] doesn't exist`),
  unknownPair: (project: string, image: string, container: string) =>
    refusal("unknown", `tenant [${project}] fpga image [${image}] is not related to image [${container}]`),
  protected: (project: string, image: string) =>
    refusal("rule", `tenant [${project}] fpga image [${image}] is protected`),
  notRelatable: (project: string, image: string, container: string) =>
    refusal(
      "rule",
      `tenant [${project}] relate fpga image [${image}] and image [${container}] failed: relation already exist or the related fpga image count of image reach the max limit`,
    ),
  notActive: () => refusal("notActive", "The image is not in Active state."),
  quota: (text: string) => refusal("quota", text),
  checkpoint: () =>
    refusal(
      "notImplemented",
      "An image is not made from a design checkpoint here: it needs the vendor's tools",
    ),
} as const;

function kindOf({ code, data }: Parameters<ErrorShape>[0]): RefusalKind {
  const own = data?.fpga;
  if (typeof own === "string" && Object.hasOwn(KINDS, own)) return own as RefusalKind;
  switch (code) {
    case "UNAUTHORIZED":
      return "unauthorized";
    case "NOT_FOUND":
      return "noRoute";
    case "METHOD_NOT_ALLOWED":
      return "noMethod";
    case "BODY_TOO_LARGE":
      return "tooLarge";
    case "INVALID_PARAMETERS":
    case "IDEMPOTENCY_KEY_REUSED":
      return "rule";
    case "QUOTA_EXCEEDED":
    case "STORAGE_FULL":
      return "quota";
    case "QUEUE_FULL":
    case "TOO_MANY_REQUESTS":
      return "busy";
    default:
      return "fault";
  }
}

/** Words every failure of `/v1` and `/v2`: `{"error":{"code","message"}}`. A fault of ours names its command. */
export const errors: ErrorShape = (failure, commandId) => {
  const kind = kindOf(failure);
  const [status, code] = KINDS[kind];
  const { allow, retryAfter } = failure.data ?? {};
  return new Response(
    JSON.stringify({ error: { code, message: messageOf(kind, failure.message, commandId) } }),
    {
      status,
      headers: {
        "content-type": "application/json",
        ...SAFE_HEADERS,
        ...(kind === "noMethod" && Array.isArray(allow) && { allow: allow.join(", ") }),
        ...(kind === "busy" && { "retry-after": String(seconds(retryAfter)) }),
      },
    },
  );
};

function messageOf(kind: RefusalKind, message: string, commandId: string | undefined): string {
  if (kind === "unauthorized") return "Invalid token.";
  if (kind === "fault" && commandId !== undefined) return `${message} (command ${commandId})`;
  return message;
}

const seconds = (after: unknown) => (typeof after === "number" && after > 0 ? Math.ceil(after) : 10);
