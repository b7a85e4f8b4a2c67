import { usage } from "../failure.ts";
import { readStdin } from "../stdin.ts";

export type HubOptions = { hub?: string; hubStdin?: boolean };

const LOG_IN = "PERIGEE_HUB_USER and PERIGEE_HUB_PASSWORD, or --hub-stdin with each on a line of its own";

/**
 * The hub that a verb is about, as the body of a request describes it; `{}`: the ground's own, of who asks. Its log-in comes
 * from the environment or from stdin, as others see the words of a command line.
 * @throws CliFailure USAGE
 */
export async function hubBody({ hub, hubStdin }: HubOptions): Promise<Record<string, string>> {
  if (hub === undefined) {
    if (hubStdin) throw usage("--hub-stdin needs --hub");
    return {};
  }
  const url = URL.parse(hub);
  if (!url) throw usage(`--hub: ${hub} is no URL`);
  if (url.username !== "" || url.password !== "") {
    throw usage("--hub: a log-in does not belong on a command line", `use ${LOG_IN}`);
  }
  const [user = "", password = ""] = hubStdin ? (await readStdin()).split(/\r?\n/) : fromEnvironment();
  if ((user === "") !== (password === "") || (hubStdin && user === "")) {
    throw usage("the hub's log-in is a user (or access key) and a password (or secret)", `use ${LOG_IN}`);
  }
  return { URL: hub, ...(user !== "" && { Username: user, Password: password }) };
}

function fromEnvironment(): [string, string] {
  const { PERIGEE_HUB_USER: user = "", PERIGEE_HUB_PASSWORD: password = "" } = process.env;
  return [user, password];
}
