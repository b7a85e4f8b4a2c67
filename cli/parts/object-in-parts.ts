import { type Body, readJson } from "../client.ts";
import type { LocalFile } from "../files/collect.ts";
import type { Session } from "../session.ts";
import { ObjectApi } from "./object-api.ts";
import { uploadInParts } from "./upload-in-parts.ts";

/** Where an object goes: into a bucket of the user's, which is made if need be. */
export type ObjectTarget = { bucket: string; key: string };

/** A file as an object of a bucket, in parts as large uplinks go. */
export async function objectInParts(session: Session, file: LocalFile, target: ObjectTarget): Promise<Body> {
  const api = new ObjectApi(session.client, target);
  const giveUp = () => "it goes by itself after two hours";
  return readJson(await uploadInParts(session, [file], { target, api, giveUp }));
}
