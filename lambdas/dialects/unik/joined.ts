import { LIMITS } from "#protocol/limits.ts";
import { keepBody } from "../../http/body-stream.ts";
import { collectBody } from "../../http/read-body.ts";
import type { DialectCore } from "../core.ts";
import type { Handle } from "./asked.ts";
import { isMultipart } from "./multipart-body.ts";
import { Repeats } from "./repeats.ts";

const repeats = new WeakMap<DialectCore, Repeats>();

/** A changing route whose repeats after a cut connection get the answer of the call before. Uploads are not repeated. */
export function joined(handle: Handle): Handle {
  return async (asked) => {
    const { c, core, owner, path, query } = asked;
    if (isMultipart(c)) return handle(asked);
    const body = await collectBody(c, LIMITS.bodyBytes);
    keepBody(c, body);
    const known = repeats.get(core) ?? new Repeats(core.now);
    repeats.set(core, known);
    const { uid, edge } = owner;
    const object = JSON.stringify([uid, edge, ...objectOf(path, body)]);
    const request = [c.req.method, path, [...query], body.toString("base64")];
    return known.answer(c, { object, request }, () => handle(asked));
  };
}

/** What a request changes. */
function objectOf([kind, name, third]: readonly string[], body: Buffer): unknown[] {
  // instances are made by one path: each body means another
  if (name === "run") return [kind, name, body.toString("base64")];
  if (kind !== "images" || third === undefined) return [kind, name];
  return [name === "pull" ? kind : "hub", third];
}
