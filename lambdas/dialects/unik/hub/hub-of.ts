import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { collectBody } from "../../../http/read-body.ts";
import type { Asked } from "../asked.ts";
import { logIn } from "../caller.ts";
import { JsonObject } from "../json-object.ts";
import type { HubUser } from "../records.ts";
import { readHubUrl } from "./hub-url.ts";

/** Log-ins that are none, whatever kind of wrong they are. */
const REFUSED = ["INVALID_CREDENTIALS", "UNAUTHORIZED"];

/**
 * Whose hub entries a call is about, as its body describes the hub: the caller's own, or those of a log-in that it has.
 * No request is made to any URL.
 * @throws HUB_NOT_ALLOWED for every hub but this ground's, HUB_REFUSED
 */
export async function hubOf({ c, core, owner, base }: Asked): Promise<HubUser> {
  const bytes = await collectBody(c, LIMITS.bodyBytes);
  const body = bytes.length === 0 ? undefined : new JsonObject(bytes);
  const said = (...names: string[]) =>
    names.map((name) => body?.text(name) ?? "").find((text) => text !== "");
  const url = said("url") ?? "";
  const address = readHubUrl(url, { base, hosts: core.hosts.candidates(c) });
  if (!address) {
    throw new PerigeeError(
      "HUB_NOT_ALLOWED",
      `hub '${withoutLogIn(url).slice(0, 500)}' is not allowed on this ground`,
    );
  }
  const given = {
    name: said("username", "user") ?? "",
    password: said("password", "pass") ?? "",
  };
  const { name, password } = given.name === "" && given.password === "" ? address : given;
  if (name === "" && password === "") return { user: owner.user, uid: owner.uid };
  try {
    const account = await logIn(c, core, { name, password });
    return { user: account.name, uid: account.uid };
  } catch (error) {
    if (!(error instanceof PerigeeError) || !REFUSED.includes(error.code)) throw error;
    throw new PerigeeError("HUB_REFUSED", `hub refuses user '${name.slice(0, 100)}'`);
  }
}

/** What a refusal may repeat of a URL. */
function withoutLogIn(url: string): string {
  return url.replace(/^([^/]*:\/\/)?.*@/, "$1");
}
