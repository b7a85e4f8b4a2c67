import { PerigeeError } from "#protocol/errors.ts";
import { json } from "../../../http/json-answer.ts";
import { utcSeconds } from "../../../http/utc-seconds.ts";
import type { DialectContext } from "../../dialect.ts";
import { callerIn } from "../caller-of-request.ts";
import { OBS_PORT } from "../obs-port.ts";
import type { FpgaParts } from "../parts.ts";
import { type Project, projectOf } from "../project.ts";
import { sessionOf } from "./access-key.ts";
import type { AccessKeyRow } from "./access-keys.ts";

/** `POST /fpga/keys`: an access key for the project on the edge that the header `Perigee-Edge` names. */
export async function createKey(c: DialectContext, parts: FpgaParts): Promise<Response> {
  const project = await projectOfEdge(c, parts);
  const { secret, ...row } = await parts.keys.create(project, parts.core.now());
  // any free port is known to who reads the server's output alone
  const object_store_port = Number(parts.core.setting(OBS_PORT.name)) || null;
  const data = { ...keyView(row, project), secret_key: secret, object_store_port };
  return json({ message: "Access key made: its secret is shown this once", data }, 201);
}

/** `GET /fpga/keys`: those of all of the user's projects. */
export async function listKeys(c: DialectContext, { core, keys }: FpgaParts): Promise<Response> {
  const { account } = callerIn(c);
  const projects = (await core.users.edges(account)).map((edge) => projectOf(account, edge));
  const rows = await Promise.all(
    projects.map(async (project) => (await keys.list(project.id)).map((row) => keyView(row, project))),
  );
  return json({ message: "Successfully fetched access keys", data: rows.flat() });
}

/** `DELETE /fpga/keys/{access_key}` @throws ACCESS_KEY_NOT_FOUND also for another user's */
export async function revokeKey(c: DialectContext, { core, keys }: FpgaParts): Promise<Response> {
  const { account } = callerIn(c);
  const accessKey = c.req.param("key") ?? "";
  const record = await keys.find(accessKey);
  const isOwn = record?.uid === account.uid && (await keys.revoke(record.project, accessKey));
  if (!isOwn) throw new PerigeeError("ACCESS_KEY_NOT_FOUND", `There is no access key ${accessKey}`);
  core.users.forgetSession(sessionOf(accessKey));
  return json({ message: "Successfully revoked access key" });
}

async function projectOfEdge(c: DialectContext, { core }: FpgaParts): Promise<Project> {
  const { account } = callerIn(c);
  return projectOf(account, await core.resolveEdge(account.name, c.req.header("perigee-edge")));
}

function keyView({ accessKey, createdAt }: AccessKeyRow, { id, domain, edge }: Project) {
  return {
    access_key: accessKey,
    project_id: id,
    domain_id: domain,
    region: edge,
    created_at: utcSeconds(createdAt),
  };
}
