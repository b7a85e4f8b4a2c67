import { ACCESS_KEY } from "./access-key.ts";

export const SDK_ALGORITHM = "SDK-HMAC-SHA256";

/** What a header `Authorization: SDK-HMAC-SHA256 …` says. `scope` of the form that names one: date, region, service. */
export type SdkAuthorization = {
  accessKey: string;
  scope?: { date: string; region: string; service: string };
  /** lower-case */
  signedHeaders: readonly string[];
  signature: Buffer;
};

const FORM =
  /^SDK-HMAC-SHA256 +(Credential|Access)=([^,\s]+) *, *SignedHeaders=([^,\s]+) *, *Signature=([0-9a-f]{64})$/;
const SCOPE = /^([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/sdk_request$/;
/** what may be a header's name: asking for another one throws */
const HEADER_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** more than any client signs */
const MOST_HEADERS = 100;

/** @returns undefined for what is no such header, or a malformed one */
export function sdkAuthorization(header: string): SdkAuthorization | undefined {
  const [, form, credential = "", names = "", signature = ""] = FORM.exec(header) ?? [];
  if (form === undefined) return undefined;
  const signedHeaders = [...new Set(names.toLowerCase().split(";"))].sort();
  if (signedHeaders.length > MOST_HEADERS) return undefined;
  if (!signedHeaders.every((name) => HEADER_NAME.test(name))) return undefined;
  const common = { signedHeaders, signature: Buffer.from(signature, "hex") };
  if (form === "Access")
    return ACCESS_KEY.test(credential) ? { accessKey: credential, ...common } : undefined;
  const [, accessKey = "", date = "", region = "", service = ""] = SCOPE.exec(credential) ?? [];
  return ACCESS_KEY.test(accessKey) ? { accessKey, scope: { date, region, service }, ...common } : undefined;
}
