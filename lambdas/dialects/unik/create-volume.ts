import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS, MiB } from "#protocol/limits.ts";
import { LABEL } from "#protocol/names.ts";
import type { InputOf } from "#protocol/operations.ts";
import { collectBody } from "../../http/read-body.ts";
import { ulid } from "../../ledger/ulid.ts";
import { jsonAnswer } from "./answers.ts";
import type { Asked, Handle } from "./asked.ts";
import { requireRoom } from "./bounds.ts";
import { change, type Seen } from "./change.ts";
import { seenBy } from "./get-objects.ts";
import { checkProvider } from "./known-compilers.ts";
import { isMultipart } from "./multipart-body.ts";
import { checkName } from "./names.ts";
import { Parameters } from "./parameters.ts";
import { keys, type OfCommand, type Provider, type VolumeRecord } from "./records.ts";
import { volumeView } from "./volume-view.ts";
import { changeWithArchive } from "./with-archive.ts";

const TYPES = ["ext2", "fat"] as const;

/** `POST /volumes/{name}` */
export const createVolume: Handle = async (asked) => {
  const { c, named, query } = asked;
  const name = named.volume!;
  checkName("volume", name);
  if (isMultipart(c)) return withForm(asked, name, new Parameters(query));
  const parameters = new Parameters(query, formOf(await collectBody(c, LIMITS.bodyBytes)));
  return change<"volume.create">(
    asked,
    (seen) => {
      const id = ulid(asked.core.now());
      const { input, of, data } = planVolume(asked, name, parameters, seen, false, id);
      return {
        operation: "volume.create",
        input,
        of,
        writes: (command) => [
          { put: { ...keys.volume(asked.owner, name), data: { ...data, making: command.id } }, if: 0 },
        ],
      };
    },
    ({ bytes }) => made(asked, name, bytes),
  );
};

function withForm(asked: Asked, name: string, parameters: Parameters): Promise<Response> {
  return changeWithArchive<"volume.create">(asked, parameters, {
    operation: "volume.create",
    before(seen) {
      requireFree(name, seen);
      if (parameters.text("provider") !== "") checkProvider(parameters.text("provider"), seen.offer);
    },
    plan(seen, { id }, hasFile) {
      const { input, of, data } = planVolume(asked, name, parameters, seen, hasFile, id);
      return {
        input,
        of,
        writes: [{ put: { ...keys.volume(asked.owner, name), data: { ...data, making: id } }, if: 0 }],
      };
    },
    respond: ({ bytes }) => made(asked, name, bytes),
  });
}

/** @param id of the volume on the edge, where its name is none there */
function planVolume(
  { owner, core }: Asked,
  name: string,
  parameters: Parameters,
  seen: Seen,
  hasData: boolean,
  id: string,
): { input: InputOf<"volume.create">; of: OfCommand; data: VolumeRecord } {
  const provider = parameters.text("provider");
  checkProvider(provider, seen.offer);
  const type = (parameters.text("type") || "ext2").toLowerCase();
  const kind = TYPES.find((one) => one === type);
  if (!kind) throw invalid(`type '${type.slice(0, 100)}' is not one of ${TYPES.join(", ")}`);
  const isRaw = parameters.flag("raw");
  const sizeMb = sizeOf(parameters, hasData);
  if (isRaw && !hasData) throw invalid("Raw volume was requested but no data provided");
  if (isRaw && provider !== "qemu") {
    throw new PerigeeError(
      "NOT_SUPPORTED",
      `provider ${provider} keeps directories: a raw volume is for qemu`,
    );
  }
  requireFree(name, seen);
  requireRoom("volumes", seen.volumes.length);
  const volume = LABEL.test(name) ? name : `u${id.toLowerCase()}`;
  const data: VolumeRecord = {
    name,
    volume,
    provider: provider as Provider,
    createdAt: core.now(),
    ...(sizeMb > 0 && { sizeMb }),
  };
  const input: InputOf<"volume.create"> = {
    volume,
    kind: provider === "qemu" ? kind : "directory",
    source: hasData ? (isRaw ? "raw" : "tar") : "empty",
    ...(sizeMb > 0 && { sizeBytes: sizeMb * MiB }),
  };
  return { input, of: { ...owner, does: "createVolume", name }, data };
}

/** Whole MiB, 0 where the data says how large it is. It is told by the query alone. */
function sizeOf(parameters: Parameters, hasData: boolean): number {
  const given = parameters.inQuery("size") ?? "";
  const size = /^\d{1,9}$/.test(given) ? Number(given) : undefined;
  if ((given === "" || size === 0) && hasData) return 0;
  if (size !== undefined && size > 0) return size;
  const where =
    given === "" && parameters.inForm("size") !== undefined ? ": it is read from the query only" : "";
  throw invalid(`could not parse given size${where}`);
}

function requireFree(name: string, { holdings, volumes }: Seen): void {
  if (![...holdings.volumes, ...volumes].some((one) => one.name === name)) return;
  throw new PerigeeError("ALREADY_EXISTS", `volume ${name} already exists`);
}

async function made(asked: Asked, name: string, bytes: number): Promise<Response> {
  const { holdings, volumes } = await seenBy(asked);
  const volume = volumes.find((one) => one.name === name);
  if (!volume)
    throw new PerigeeError("VOLUME_NOT_FOUND", `volume ${name} not found: it was removed meanwhile`);
  return jsonAnswer(volumeView({ ...volume, bytes: Math.max(bytes, volume.bytes) }, holdings), 201);
}

/** The fields of a body that may be a url-encoded form, and may be anything else, which says nothing. */
function formOf(body: Buffer): Map<string, string> {
  return new Map(new URLSearchParams(body.toString("utf8")));
}

const invalid = (message: string) => new PerigeeError("INVALID_PARAMETERS", message);
