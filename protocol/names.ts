import * as z from "zod";

/** RFC 1035 label: pod and volume names (em-api-decisions, "names"). */
export const LABEL = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const LABEL_RULE =
  "must be an RFC 1035 label: begins with a lower-case letter; lower-case letters, digits and '-'; ends with a letter or digit; at most 63 characters";
export const label = z.string().regex(LABEL, LABEL_RULE);

/**
 * A name space. A user's volumes and images that a dialect makes in its space are invisible to the other dialects. The
 * EM has none.
 */
export const space = z
  .string()
  .regex(/^[a-z][a-z0-9]{0,15}$/, "must be 1 to 16 lower-case letters and digits");

/**
 * A user's or a volume's name, and the space it is in: `data` in `kabuto` is `data.kabuto`. Neither users nor volumes
 * have a dot in their names, so that the names of a space can be written nowhere else. Pure.
 */
export function inSpace(name: string, own: string | undefined): string {
  return own === undefined ? name : `${name}.${own}`;
}

/** The name of the pod and volume that are meant when none is named. */
export const DEFAULT_NAME = "default";

/** User names have no `-`, so that the image prefix `<user>-` is unambiguous. */
export const USER = /^[a-z0-9]{1,32}$/;
export const USER_RULE = "must be 1 to 32 lower-case letters and digits";

/** The operator's own commands (for example `edge publish`) run under this name, which no user can have. */
export const OPERATOR = "_operator";

export const EDGE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
export const EDGE_RULE = "must be 1 to 63 lower-case letters, digits and '-', not at the ends";

export const NODE_KINDS = ["FPGA", "GPU", "MPU"] as const;
export type NodeKind = (typeof NODE_KINDS)[number];
