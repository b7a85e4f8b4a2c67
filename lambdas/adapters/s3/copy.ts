import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";

export type CopyOf = { bucket: string; from: string; to: string; size: number };

/**
 * Copies an object inside a bucket: with one request, or where it has more than `partBytes` in parts of so many.
 * @throws NoSuchKey, as the SDK does
 */
export async function copyObject(client: S3Client, of: CopyOf, partBytes: number): Promise<void> {
  const { bucket: Bucket, to: Key, size } = of;
  const CopySource = `${Bucket}/${of.from.split("/").map(encodeURIComponent).join("/")}`;
  if (size <= partBytes) {
    await client.send(new CopyObjectCommand({ Bucket, Key, CopySource }));
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
