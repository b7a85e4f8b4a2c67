import { failureOf, PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { answerOf } from "../../commands/command-answer.ts";
import type { Reservation } from "../../dispatch/dispatch.ts";
import { namedField } from "../../fields/field-names.ts";
import { invalid, textField } from "../../fields/form-values.ts";
import { optionalLabel, volumeName } from "../../fields/names.ts";
import { addText, knownFields } from "../../fields/read-fields.ts";
import { bodyStream } from "../../http/body-stream.ts";
import type { Fields } from "../../http/fields.ts";
import { readMediaType } from "../../http/media-type.ts";
import { receiveForm } from "../../http/multipart/receive-form.ts";
import { readPrefer } from "../../http/prefer.ts";
import { readQuery } from "../../http/read-body.ts";
import { refuseEncoded } from "../../http/refuse-encoded.ts";
import { inCommand } from "../../http/route-handler.ts";
import { FIRST_LANE } from "../../ledger/first-lane.ts";
import { destination, placed, target, UPLINK_FIELDS } from "../../uplinks/placed.ts";
import { noFiles, uplinkTooLarge } from "../../uplinks/uplink-refusals.ts";
import { uplinked } from "../../uplinks/uplinked.ts";
import { busyToUser } from "./busy.ts";
import type { EmContext, EmDeps } from "./deps.ts";
import { UPLINK_FORM } from "./uplink-form.ts";

/** A file name as aiohttp writes it unless told otherwise, alone among clients: who knows it by its own name? */
const ENCODED = /^[\w.~-]*(?:%[0-9A-F]{2}[\w.~-]*)+$/;

/** POST /em/files/uplink: files go to staging as they come in, then as one command to the edge. */
export async function uplinkFiles(c: EmContext, deps: EmDeps): Promise<Response> {
  const contentType = c.req.header("content-type") ?? "";
  const media = readMediaType(contentType).value;
  if (media !== "multipart/form-data" || c.req.header("content-length") === "0") throw noFiles();
  refuseEncoded(c);
  const fields = checked(knownFields([readQuery(c)], UPLINK_FIELDS));
  /** NaN when it is not told */
  const length = Number(c.req.header("content-length") ?? Number.NaN);
  if (length > LIMITS.uplinkBodyBytes) throw uplinkTooLarge();
  if (length > (deps.requestBytes ?? length)) throw inPartsOnly(deps.requestBytes!);
  const user = c.get("user");
  const preferred = readPrefer(c.req.header("prefer"));
  const order = await deps.orderOf(c, user);
  const edge = await deps.resolveEdge(user, c.req.header("perigee-edge"));
  const { admission, wait } = preferred;
  const reservation = await deps.dispatch
    .reserve({
      user,
      edge,
      lane: FIRST_LANE,
      admission,
      wait,
      ...order,
      // the files are a part of the body
      ...(Number.isSafeInteger(length) && { bytes: length }),
    })
    .catch((error: unknown) => {
      throw busyToUser(error, user);
    });
  let upload: Awaited<ReturnType<typeof receive>>;
  try {
    upload = await receive(c, deps, reservation, contentType, fields);
  } catch (error) {
    await reservation.abandon(failureOf(error)).catch((failure) => {
      deps.log.error({ err: failure, command: reservation.command.id }, "an upload could not be abandoned");
    });
    throw inCommand(error, reservation.command.id);
  }
  try {
    const answer = await reservation.complete(upload);
    return await answerOf(deps, answer, preferred, uplinked);
  } catch (error) {
    throw inCommand(error, reservation.command.id);
  }
}

async function receive(
  c: EmContext,
  deps: EmDeps,
  reservation: Reservation,
  contentType: string,
  fields: Fields,
) {
  const body = bodyStream(c);
  if (!body) throw noFiles();
  const encodesNames = /\baiohttp\//.test(c.req.header("user-agent") ?? "");
  let prefix: string | undefined;
  const received = await receiveForm(body, {
    ...UPLINK_FORM,
    contentType,
    allowance: reservation.allowance,
    onField(name, value) {
      const named = namedField(name, UPLINK_FIELDS);
      if (!named) return;
      addText(fields, named.field, value);
      // A field that can be refused is refused now, not after two gigabytes.
      checked(fields);
    },
    onFile(name) {
      if (encodesNames && ENCODED.test(name)) {
        throw invalid(
          "files",
          `${JSON.stringify(name)} is percent-encoded: use FormData(quote_fields=False)`,
        );
      }
      prefix ??= reservation.prefix(namesVolume(fields) ? volumeName(fields) : "_");
      // `..` may still be inside a dest_path to come
      if (fields.has("dest_path") || !name.split("/").includes("..")) target(fields, name);
    },
    async store(n, file, signal) {
      try {
        return await deps.staging.put(`${prefix}${n}`, file, { maxBytes: LIMITS.uplinkBytes, signal });
      } catch (error) {
        throw error instanceof PerigeeError && error.code === "BODY_TOO_LARGE" ? uplinkTooLarge() : error;
      }
    },
  });
  if (received.length === 0 || prefix === undefined) throw noFiles();
  return { volume: volumeName(fields), prefix, files: placed(fields, received) };
}

/** Valid, but not here: the answer names the way. */
function inPartsOnly(bytes: number): PerigeeError {
  return new PerigeeError(
    "BODY_TOO_LARGE",
    `Bodies over ${(bytes / MiB).toFixed(1)} MiB do not pass here: send the files in parts, see POST /uplinks`,
    { data: { uplinks: "/uplinks" } },
  );
}

/** @throws INVALID_PARAMETERS, ILLEGAL_PATH for a field that breaks its rule */
function checked(fields: Fields): Fields {
  optionalLabel(fields, "pod_name");
  optionalLabel(fields, "pvc_name");
  destination(fields);
  return fields;
}

function namesVolume(fields: Fields): boolean {
  return (textField(fields, "pvc_name") ?? textField(fields, "pod_name")) !== undefined;
}
