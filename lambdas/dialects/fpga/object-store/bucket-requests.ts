import { KiB } from "#protocol/limits.ts";
import { collectBody } from "../../../http/read-body.ts";
import type { DialectContext } from "../../dialect.ts";
import type { ShownObject, UserObjects } from "../objects/user-objects.ts";
import type { Project } from "../project.ts";
import { isBucket } from "../rules.ts";
import { done, xml } from "./answers.ts";
import { StoreRefusal } from "./store-errors.ts";
import { onlyParameters, type StoreTarget } from "./store-request.ts";
import type { Element } from "./xml.ts";

/** Most objects of one listing. */
const MOST_KEYS = 1000;
const MOST_BODY = 64 * KiB;

/** `GET /` */
export async function listBuckets({ uid, domain, user }: Project, objects: UserObjects): Promise<Response> {
  const buckets = (await objects.buckets.list(uid)).map(
    ({ name, createdAt }): Element => [
      "Bucket",
      [
        ["Name", name],
        ["CreationDate", timeText(createdAt)],
      ],
    ],
  );
  const owner: Element = [
    "Owner",
    [
      ["ID", domain],
      ["DisplayName", user],
    ],
  ];
  return xml(["ListAllMyBucketsResult", [owner, ["Buckets", buckets]]]);
}

/** `PUT /{bucket}`: one that exists stays. */
export async function makeBucket(
  c: DialectContext,
  { uid, edge }: Project,
  bucket: string,
  objects: UserObjects,
): Promise<Response> {
  const body = (await collectBody(c, MOST_BODY)).toString("utf8").trim();
  if (body !== "" && !body.includes("CreateBucketConfiguration")) {
    throw new StoreRefusal("MalformedXML", "The body is no CreateBucketConfiguration");
  }
  const constraint = /<LocationConstraint>([^<]*)<\/LocationConstraint>/.exec(body)?.[1]?.trim() || edge;
  if (constraint !== edge) {
    throw new StoreRefusal(
      "IllegalLocationConstraintException",
      `The buckets of this project are in ${edge}`,
    );
  }
  await objects.buckets.make(uid, bucket);
  return done(200, { location: `/${bucket}` });
}

/** `DELETE /{bucket}` */
export async function removeBucket(
  { uid }: Project,
  bucket: string,
  objects: UserObjects,
): Promise<Response> {
  await objects.buckets.remove(uid, bucket);
  return done(204);
}

/** `HEAD /{bucket}` */
export async function headBucket({ uid }: Project, bucket: string, objects: UserObjects): Promise<Response> {
  await requireBucket(uid, bucket, objects);
  return done(200);
}

/** `GET /{bucket}`: where it is, who may use it, or what is in it. */
export async function getBucket(
  { uid, edge, domain }: Project,
  bucket: string,
  { parameters }: StoreTarget,
  objects: UserObjects,
): Promise<Response> {
  const isAbout = (name: string) => parameters.has(name) && parameters.size === 1;
  if (!isAbout("location") && !isAbout("acl")) onlyParameters(parameters, ["prefix", "marker", "max-keys"]);
  await requireBucket(uid, bucket, objects);
  if (isAbout("location")) return xml(["CreateBucketConfiguration", [["LocationConstraint", edge]]]);
  if (isAbout("acl")) {
    const id: Element = ["ID", domain];
    const grant: Element = [
      "Grant",
      [
        ["Grantee", [id]],
        ["Permission", "FULL_CONTROL"],
      ],
    ];
    return xml([
      "AccessControlPolicy",
      [
        ["Owner", [id]],
        ["AccessControlList", [grant]],
      ],
    ]);
  }
  const prefix = parameters.get("prefix") ?? "";
  const marker = parameters.get("marker") ?? "";
  const most = mostKeys(parameters.get("max-keys"));
  const found = (await objects.list(uid, bucket)).filter(({ key }) => key.startsWith(prefix) && key > marker);
  const page = found.slice(0, most);
  return xml([
    "ListBucketResult",
    [
      ["Name", bucket],
      ["Prefix", prefix],
      ["Marker", marker],
      ["MaxKeys", String(most)],
      ["IsTruncated", String(found.length > page.length && most > 0)],
      ...page.map((object) => contents(object, domain)),
    ],
  ]);
}

/** @throws StoreRefusal NoSuchBucket, InvalidBucketName */
export async function requireBucket(uid: string, bucket: string, objects: UserObjects): Promise<void> {
  if (!isBucket(bucket)) throw new StoreRefusal("InvalidBucketName", "The name breaks the rules of buckets");
  if (!(await objects.buckets.find(uid, bucket))) {
    throw new StoreRefusal("NoSuchBucket", `There is no bucket ${bucket}`);
  }
}

function contents({ key, modified, etag, size }: ShownObject, owner: string): Element {
  return [
    "Contents",
    [
      ["Key", key],
      ["LastModified", timeText(modified)],
      ["ETag", `"${etag}"`],
      ["Size", String(size)],
      ["StorageClass", "STANDARD"],
      ["Owner", [["ID", owner]]],
    ],
  ];
}

function mostKeys(text: string | undefined): number {
  if (text === undefined || text === "") return MOST_KEYS;
  if (!/^\d{1,10}$/.test(text)) throw new StoreRefusal("InvalidArgument", "max-keys is no whole number");
  return Math.min(Number(text), MOST_KEYS);
}

const timeText = (ms: number) => new Date(ms).toISOString();
