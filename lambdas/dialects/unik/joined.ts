import { LIMITS } from "#protocol/limits.ts";
import { incomingOf, keepBody } from "../../http/body-stream.ts";
import { collectBody } from "../../http/read-body.ts";
import type { DialectCore } from "../core.ts";
import type { Handle } from "./asked.ts";
import { withoutPasswords } from "./hub/hub-body.ts";
import { isMultipart } from "./multipart-body.ts";
import { Repeats } from "./repeats.ts";
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
    const request = [c.req.method, path, [...query], told];
    return known.answer(c, { owner, object, request }, (repeat) => handle({ ...asked, repeat }));
  };
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
