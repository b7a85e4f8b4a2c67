import { inject } from "vitest";
import { logIn } from "../../support/log-in.ts";
import type { Credentials } from "../../support/target.ts";
import { type Answer, type Sent, send } from "./send.ts";

export const target = inject("fpga");

/** The host that a client of this deployment names, with its port. */
export const host = new URL(target.url).host;

export type User = Credentials & {
  token: string;
  /** ids, and the project's name: that of the edge */
  project: string;
  domain: string;
  edge: string;
  /** path of the images */
  base: string;
  /** Sends a target as it is given, with the user's token. */
  ask(method: string, path: string, sent?: Sent): Promise<Answer>;
};

/** Without a token. */
export const bare = (method: string, path: string, sent?: Sent) => send(target.url, method, path, sent);

const sessions = new Map<string, Promise<User>>();

/** The first user, logged in. */
export const user = () => session(target.user);
/** The second user, logged in. */
export const other = () => session(target.other);

function session(who: Credentials): Promise<User> {
  const known = sessions.get(who.name) ?? open(who);
  sessions.set(who.name, known);
  return known;
}

async function open(who: Credentials): Promise<User> {
  const { token = "" } = await logIn(target.url, who);
  const ask: User["ask"] = (method, path, { headers, ...sent } = {}) =>
    bare(method, path, { ...sent, headers: { "x-auth-token": token, ...headers } });
  const { projects } = JSON.parse((await ask("GET", "/v3/projects")).text) as {
    projects: { id: string; domain_id: string; name: string }[];
  };
  const { id: project, domain_id: domain, name: edge } = projects[0]!;
  const base = `/v1/${project}/cloudservers/fpga_image`;
  const { count } = JSON.parse((await ask("GET", `${base}/detail`)).text) as { count: number };
  // the suite looks at whole lists, and clears them
  if (count > 0) throw new Error(`${who.name} has FPGA images; the suite needs users who have none`);
  return { ...who, token, project, domain, edge, base, ask };
}
