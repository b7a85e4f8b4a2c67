import { LIMITS } from "#protocol/limits.ts";
import { incomingOf, keepBody } from "../../http/body-stream.ts";
import { collectBody } from "../../http/read-body.ts";
import type { DialectCore } from "../core.ts";
import type { Asked, Handle } from "./asked.ts";
import { withoutPasswords } from "./hub/hub-body.ts";
import { isMultipart } from "./multipart-body.ts";
import { keys } from "./records.ts";
import { type Kept, Repeats } from "./repeats.ts";
import { readRunBody } from "./run-body.ts";

const repeats = new WeakMap<DialectCore, Repeats>();

/** A changing route whose repeats after a cut connection get the answer of the call before. Uploads are not repeated. */
export function joined(handle: Handle): Handle {
  return async (asked) => {
    const { c, core, owner, path, query } = asked;
    if (isMultipart(c)) return handle(asked);
    const body = await collectBody(c, LIMITS.bodyBytes);
    keepBody(c, body);
    // such a run is another each time, and here nobody can tell whether the one before was answered
    if (!incomingOf(c) && path[1] === "run" && !hasName(body)) return handle(asked);
    const known = repeats.get(core) ?? new Repeats(core);
    repeats.set(core, known);
    const { uid, edge } = owner;
    const object = JSON.stringify([uid, edge, ...objectOf(path, body)]);
    const told = withoutPasswords(path, body).toString("base64");
    // who gives another key means another call, whoever got the answer to the one before
    const request = [c.req.method, path, [...query], told, c.req.header("idempotency-key") ?? null];
    const holds = path[1] === "run" ? (answer: Kept) => isThere(asked, answer) : undefined;
    const repeatable = { owner, object, request, ...(holds && { holds }) };
    return known.answer(c, repeatable, (repeat) => handle({ ...asked, repeat }));
  };
}

/** Waits until what is under way of the repeats' records is written. */
export async function closeRepeats(core: DialectCore): Promise<void> {
  await repeats.get(core)?.close();
}

/** Is the instance that a run was answered with still there? Who has deleted it and asks again means another. */
async function isThere({ core, owner }: Pick<Asked, "core" | "owner">, answer: Kept): Promise<boolean> {
  if (answer.status !== 201) return true;
  const { Id } = JSON.parse(answer.body) as { Id: string };
  return (await core.records.get(keys.instance(owner, Id))) !== undefined;
}

function hasName(body: Buffer): boolean {
  try {
    return readRunBody(body).name !== "";
  } catch {
    // its route refuses it
    return false;
  }
}

/** What a request changes. */
function objectOf([kind, name, third]: readonly string[], body: Buffer): unknown[] {
  // instances are made by one path: each body means another
  if (name === "run") return [kind, name, body.toString("base64")];
  if (kind !== "images" || third === undefined) return [kind, name];
  return [name === "pull" ? kind : "hub", third];
}
