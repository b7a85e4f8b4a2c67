import { rawTarget } from "../../../http/raw-request.ts";
import type { DialectContext } from "../../dialect.ts";
import { splitTarget } from "../auth/signed-request.ts";
import { StoreRefusal } from "./store-errors.ts";

/** What a request's target names: nothing, a bucket, or an object in it; and its parameters, decoded. */
export type StoreTarget = { bucket?: string; key?: string; parameters: ReadonlyMap<string, string> };

/**
 * Bucket and key are cut from the raw target, and decoded once: dot segments and doubled slashes are the key's, and lead
 * nowhere.
 * @throws StoreRefusal InvalidArgument for what is not percent-encoded
 */
export function targetOf(c: DialectContext): StoreTarget {
  const { path, query } = splitTarget(rawTarget(c));
  const [, bucket = "", , key = ""] = /^\/([^/]*)(\/([\s\S]*))?$/.exec(path) ?? [];
  const parameters = new Map<string, string>();
  for (const pair of query.split("&").filter(Boolean)) {
    const [name = "", ...value] = pair.split("=");
    parameters.set(decoded(name), decoded(value.join("=").replaceAll("+", " ")));
  }
  return {
    ...((bucket !== "" || key !== "") && { bucket: decoded(bucket) }),
    ...(key !== "" && { key: decoded(key) }),
    parameters,
  };
}

/** @throws StoreRefusal NotImplemented for a parameter that is none of these */
export function onlyParameters(parameters: ReadonlyMap<string, string>, known: readonly string[] = []): void {
  const other = [...parameters.keys()].find((name) => !known.includes(name));
  if (other !== undefined) throw new StoreRefusal("NotImplemented", `There is no parameter ${other} here`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new StoreRefusal("InvalidArgument", "The target is not percent-encoded UTF-8", { cause });
  }
}
