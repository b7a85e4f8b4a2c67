import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";

/** `source`: the bucket that it is copied from (default `bucket`); `etag`: of the content that is meant (default any). */
export type CopyOf = {
  bucket: string;
  from: string;
  to: string;
  size: number;
  source?: string;
  etag?: string;
};

/**
 * Copies an object inside a bucket: with one request, or where it has more than `partBytes` in parts of so many.
 * @throws NoSuchKey, and PreconditionFailed for other content, as the SDK does
 */
export async function copyObject(client: S3Client, of: CopyOf, partBytes: number): Promise<void> {
  const { bucket: Bucket, to: Key, size } = of;
  const CopySource = `${of.source ?? Bucket}/${of.from.split("/").map(encodeURIComponent).join("/")}`;
  const meant = of.etag === undefined ? {} : { CopySourceIfMatch: of.etag };
  if (size <= partBytes) {
    await client.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...meant }));
    return;
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  try {
    const Parts: CompletedPart[] = [];
    for (let start = 0; start < size; start += partBytes) {
      const PartNumber = Parts.length + 1;
      const end = Math.min(start + partBytes, size) - 1;
      const part = {
        Bucket,
        Key,
        UploadId,
        PartNumber,
        CopySource,
        CopySourceRange: `bytes=${start}-${end}`,
        ...meant,
      };
      const { CopyPartResult } = await client.send(new UploadPartCopyCommand(part));
      const { ETag, ChecksumCRC32 } = CopyPartResult!;
      Parts.push({ PartNumber, ETag, ChecksumCRC32 });
    }
    const upload = { Bucket, Key, UploadId, MultipartUpload: { Parts } };
    await client.send(new CompleteMultipartUploadCommand(upload));
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(() => {});
    throw error;
  }
}
