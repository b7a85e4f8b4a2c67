import { PerigeeError } from "#protocol/errors.ts";
import type { ForeignKeys } from "../../../ports/foreign-buckets.ts";
import type { Asked } from "../asked.ts";
import { logIn } from "../caller.ts";
import type { HubUser } from "../records.ts";
import { hubHosts, hubRegion } from "../settings.ts";
import { type ForeignAddress, readForeignUrl } from "./foreign-url.ts";
import { readHubBody, withoutLogIn } from "./hub-body.ts";
import { readHubUrl } from "./hub-url.ts";

/** A hub elsewhere, with the keys of this one call. */
export type ForeignHub = Pick<ForeignAddress, "place" | "prefix"> & {
  keys: ForeignKeys;
  /** its URL, as a refusal repeats it */
  url: string;
};

/** Whose entries of this ground's hub are meant, or which hub elsewhere. */
export type Hub = { own: HubUser } | { foreign: ForeignHub };

/** Log-ins that are none, whatever kind of wrong they are. */
const REFUSED = ["INVALID_CREDENTIALS", "UNAUTHORIZED"];

/**
 * Which hub a call is about, as its body describes it: this ground's, with the caller's own entries or those of a log-in that
 * it has; or a listed one elsewhere. No request is made to any URL.
 * @throws HUB_NOT_ALLOWED for every other hub, HUB_REFUSED
 */
export async function hubOf({ c, core, owner, base }: Asked): Promise<Hub> {
  const { url, ...told } = await readHubBody(c);
  const own = readHubUrl(url, { base, hosts: core.hosts.candidates(c) });
  const foreign = own ? undefined : readForeignUrl(url, { hosts: hubHosts(core), region: hubRegion(core) });
  const address = own ?? foreign;
  if (!address || (foreign && !core.foreignBuckets)) throw notAllowed(withoutLogIn(url));
  const { name, password } = told.name === "" && told.password === "" ? address : told;
  if (foreign) {
    const { place, prefix } = foreign;
    if (name === "" || password === "") {
      throw new PerigeeError(
        "INVALID_PARAMETERS",
        "a hub elsewhere needs 'Username' and 'Password': an access key and its secret",
      );
    }
    return {
      foreign: { place, prefix, url: withoutLogIn(url), keys: { accessKey: name, secretKey: password } },
    };
  }
  if (name === "" && password === "") return { own: { user: owner.user, uid: owner.uid } };
  try {
    const account = await logIn(c, core, { name, password });
    return { own: { user: account.name, uid: account.uid } };
  } catch (error) {
    if (!(error instanceof PerigeeError) || !REFUSED.includes(error.code)) throw error;
    throw new PerigeeError("HUB_REFUSED", `hub refuses user '${name.slice(0, 100)}'`);
  }
}

/** @param url without a log-in */
export function notAllowed(url: string): PerigeeError {
  return new PerigeeError("HUB_NOT_ALLOWED", `hub '${url.slice(0, 500)}' is not allowed on this ground`);
}
