import { createReadStream } from "node:fs";
import { S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";

/** `node bench/lib-storage-upload.ts ENDPOINT BUCKET KEY FILE`: the AWS SDK's own way, with its own settings. */
const [endpoint, Bucket, Key, path] = process.argv.slice(2) as [string, string, string, string];
const client = new S3Client({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  forcePathStyle: true,
});
await new Upload({ client, params: { Bucket, Key, Body: createReadStream(path) } }).done();
client.destroy();
