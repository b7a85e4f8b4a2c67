import { acceptedId, type Body, readJson } from "../client.ts";
import type { CommandView } from "../command-view.ts";
import type { LocalFile } from "../files/collect.ts";
import { followToSuccess } from "../follow.ts";
import type { Session } from "../session.ts";
import { UplinkApi } from "./uplink-api.ts";
import { uploadInParts } from "./upload-in-parts.ts";

export type Target = { dest_path?: string; pod_name?: string; pvc_name?: string };
/** What the one file makes on the edge, which is a delta itself. */
export type DeltaOf = { delta: { size: number; sha256: string; checksum: string; base: string } };

/**
 * An uplink in parts.
 * @param shape makes the contract's answer from a command that had to be followed
 */
export async function uplinkInParts(
  session: Session,
  files: LocalFile[],
  target: Target | (Target & DeltaOf),
  shape: (command: CommandView) => Body,
): Promise<Body> {
  const { client } = session;
  const api = new UplinkApi(client, target);
  const answer = await uploadInParts(session, files, { target, api, giveUp: (id) => `perigee cancel ${id}` });
  // From here on it is a command like any other: the same uplink again would be another one.
  const body = await readJson(answer);
  if (answer.status !== 202) return body;
  return shape(await followToSuccess(client, acceptedId(answer, body), client.patience()));
}
