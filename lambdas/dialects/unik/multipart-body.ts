import { failureOf, PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import type { StagedFile } from "#protocol/operations.ts";
import type { Reservation } from "../../dispatch/dispatch.ts";
import { bodyStream } from "../../http/body-stream.ts";
import { readMediaType } from "../../http/media-type.ts";
import { receiveForm } from "../../http/multipart/receive-form.ts";
import type { DialectCore } from "../core.ts";
import type { DialectContext } from "../dialect.ts";
import type { Parameters } from "./parameters.ts";

const FILE = "tarfile";
/** What the staged file is called on the way: its name of the client's is ignored. */
const STAGED_AS = "tarfile";

export function isMultipart(c: DialectContext): boolean {
  return readMediaType(c.req.header("content-type")).value === "multipart/form-data";
}

/** @throws BODY_TOO_LARGE for one that does not pass here, with the ways that there are for larger ones */
export function requirePassing(c: DialectContext, { requestBytes }: Pick<DialectCore, "requestBytes">): void {
  const length = Number(c.req.header("content-length") ?? Number.NaN);
  if (requestBytes === undefined || !(length > requestBytes)) return;
  throw new PerigeeError(
    "BODY_TOO_LARGE",
    `bodies over ${(requestBytes / MiB).toFixed(1)} MiB do not pass here: POST /uplinks takes the files of a volume in parts, perigee compile sends larger sources to a ground that is a server`,
  );
}

/**
 * Reads a multipart form, in which fields and the file may come in any order, and stages the file as it comes in.
 * @returns undefined when there is no file
 * @throws MAX_UPLINK_SIZE_EXCEEDED, QUOTA_EXCEEDED, INVALID_PARAMETERS
 */
export async function receiveArchive(
  c: DialectContext,
  { staging }: Pick<DialectCore, "staging">,
  { prefix, allowance }: { prefix: string; allowance: number },
  parameters: Parameters,
): Promise<StagedFile | undefined> {
  const body = bodyStream(c);
  if (!body) throw new PerigeeError("INVALID_PARAMETERS", "the multipart form is empty");
  const [file] = await receiveForm(body, {
    contentType: c.req.header("content-type") ?? "",
    isField: ({ name, fileName }) => name !== FILE && fileName === undefined,
    onField: (name, value) => parameters.add(name, value),
    onFile(_name, field) {
      if (field !== FILE)
        throw new PerigeeError("INVALID_PARAMETERS", `the form holds a file '${field}', not '${FILE}'`);
    },
    store: (n, content, signal) =>
      staging.put(`${prefix}${n}`, content, { maxBytes: LIMITS.uplinkBytes, signal }),
    most: { files: 1, bytes: LIMITS.uplinkBytes, bodyBytes: LIMITS.uplinkBodyBytes },
    allowance,
    refusals: {
      tooLarge: () => new PerigeeError("MAX_UPLINK_SIZE_EXCEEDED", "the archive is over 2 GiB"),
      tooManyFiles: () => new PerigeeError("INVALID_PARAMETERS", "the form holds more than one file"),
    },
  });
  if (!file) return undefined;
  const { n, size, xxh64 } = file;
  return { n, path: STAGED_AS, size, xxh64 };
}

/** How a reservation is given back, for whatever ended the reading of its body. */
export async function giveBack(
  core: Pick<DialectCore, "log">,
  reservation: Pick<Reservation<never>, "abandon" | "command">,
  error: unknown,
): Promise<void> {
  await reservation.abandon(failureOf(error)).catch((failure: unknown) => {
    core.log.error({ err: failure, command: reservation.command.id }, "an upload could not be abandoned");
  });
}
