import type { Command } from "commander";
import { usage } from "../failure.ts";
import { record } from "../output/table.ts";
import { bytes, safe, time } from "../output/text.ts";
import { action, type Session } from "../session.ts";

type Device = {
  node: string;
  adapter: string;
  driver?: string;
  formats: string[];
  state: string;
  loaded?: { image: string };
};
type Key = {
  access_key: string;
  secret_key?: string;
  project_id: string;
  domain_id: string;
  region: string;
  object_store_port?: number | null;
};

/** Bucket that files are put into when none is named. */
export const DEFAULT_BUCKET = "fpga-images";

const BUCKET = /^[a-z0-9.-]{3,63}$/;

/** What FPGA images stand on: files in buckets, access keys of unchanged clients, devices. */
export function registerFpgaStores(fpga: Command): void {
  const objects = fpga
    .command("objects")
    .description("list the files in your buckets")
    .action(action<[], object>(list));
  objects
    .command("rm")
    .description("delete a file from a bucket, or an empty bucket")
    .argument("<bucket>")
    .argument("[key]", "of the file; without it the bucket itself goes")
    .action(action<[string, string | undefined], object>(remove));
  const keys = fpga.command("keys").description("access keys, for clients that sign their requests");
  keys
    .command("create")
    .description("make a key; its secret is shown this once")
    .action(action<[], object>(create));
  keys.command("list").description("list your keys").action(action<[], object>(listKeys));
  keys
    .command("revoke")
    .description("end a key")
    .argument("<access-key>")
    .action(action<[string], object>(revoke));
  fpga
    .command("devices")
    .description("FPGAs of the edge, as last reported")
    .action(action<[], object>(devices));
}

async function list({ client, output }: Session): Promise<undefined> {
  const body = await client.json({ method: "GET", path: "/fpga/objects" });
  const rows = (body.data ?? []) as { location: string; size: number; modified: string }[];
  output.result(body, () =>
    rows.length === 0
      ? "Your buckets are empty"
      : output.table(
          ["OBJECT", "SIZE", "MODIFIED"],
          rows.map(({ location, size, modified }) => [location, bytes(size), time(modified)]),
          { right: [1] },
        ),
  );
}

async function remove(
  { client, output }: Session,
  [bucket, key]: [string, string | undefined],
): Promise<undefined> {
  // otherwise it could be the id of an upload
  if (key === undefined && !BUCKET.test(bucket)) throw usage(`${bucket} is no name of a bucket`);
  const object = key === undefined ? "" : `/${encodeURIComponent(key)}`;
  const path = `/fpga/objects/${encodeURIComponent(bucket)}${object}`;
  const name = key === undefined ? `the bucket ${safe(bucket)}` : `${safe(bucket)}:${safe(key)}`;
  output.result(await client.json({ method: "DELETE", path }), () => `Deleted ${name}`);
}

/** Shows everything that the configuration of a client asks for. */
async function create({ client, output, url }: Session): Promise<undefined> {
  const body = await client.json({ method: "POST", path: "/fpga/keys" });
  const { access_key, secret_key, project_id, domain_id, region, object_store_port: port } = body.data as Key;
  const { hostname, protocol, port: own } = new URL(url);
  const endpoint = `${hostname}:${own || (protocol === "https:" ? 443 : 80)}`;
  const endpoints = { endpoint, object_store: port ? `${hostname}:${port}` : null };
  output.result({ ...body, ...endpoints, bucket: DEFAULT_BUCKET }, () =>
    record({
      ...{ access_key, secret_key, region, project_id, domain_id, bucket: DEFAULT_BUCKET, endpoint },
      object_store: endpoints.object_store ?? "none: PERIGEE_OBS_PORT names no port",
    }),
  );
}

async function listKeys({ client, output }: Session): Promise<undefined> {
  const body = await client.json({ method: "GET", path: "/fpga/keys" });
  const keys = (body.data ?? []) as Key[];
  output.result(body, () =>
    keys.length === 0
      ? "You have no access keys"
      : output.table(
          ["ACCESS KEY", "REGION", "PROJECT"],
          keys.map((key) => [key.access_key, key.region, key.project_id]),
        ),
  );
}

async function revoke({ client, output }: Session, [key]: [string]): Promise<undefined> {
  const body = await client.json({ method: "DELETE", path: `/fpga/keys/${encodeURIComponent(key)}` });
  output.result(body, () => `Revoked ${safe(key)}`);
}

async function devices({ client, output }: Session): Promise<undefined> {
  const body = await client.json({ method: "GET", path: "/edge" });
  const found = ((body.data as { fpga?: Device[] } | undefined)?.fpga ?? []) as Device[];
  output.result({ data: found }, () =>
    found.length === 0
      ? "The edge has reported no FPGA"
      : output.table(
          ["NODE", "ADAPTER", "DRIVER", "FORMATS", "STATE", "LOADED"],
          found.map((one) => [
            one.node,
            one.adapter,
            one.driver,
            one.formats.join(", "),
            one.state,
            one.loaded?.image,
          ]),
        ),
  );
}
