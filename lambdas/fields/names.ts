import { DEFAULT_NAME, LABEL, LABEL_RULE } from "#protocol/names.ts";
import type { Fields } from "../http/fields.ts";
import { invalid, textField } from "./form-values.ts";

/** The pod that `pod_name` names, or the default one. @throws INVALID_PARAMETERS */
export function podName(fields: Fields): string {
  return optionalLabel(fields, "pod_name") ?? DEFAULT_NAME;
}

/**
 * The volume meant: `pvc_name` names it, `pod_name` when that is absent, else the default one.
 * @throws INVALID_PARAMETERS for either field, also when it is not the one that counts
 */
export function volumeName(fields: Fields): string {
  const pod = optionalLabel(fields, "pod_name");
  return optionalLabel(fields, "pvc_name") ?? pod ?? DEFAULT_NAME;
}

/** A field that is a label when it is given. @throws INVALID_PARAMETERS */
export function optionalLabel(fields: Fields, field: string): string | undefined {
  const text = textField(fields, field);
  if (text !== undefined && !LABEL.test(text)) throw invalid(field, LABEL_RULE);
  return text;
}
