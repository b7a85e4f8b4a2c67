import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  type Part as ListedPart,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
  type ListPartsCommandOutput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { Serial } from "#protocol/serial.ts";
import {
  type Part,
  type PartLayout,
  type PartUploads,
  partCount,
  type SignedUpload,
} from "../../ports/part-uploads.ts";
import { keyParts } from "../../ports/staging-key.ts";
import { signedFor } from "../directory/signed-for.ts";

const CHECKSUM = "x-amz-checksum-crc32";
const ENDED_AT_ONCE = 8;

/**
 * Uploads in parts as S3's own multipart uploads. Length and CRC32 are signed into each part's URL, as headers
 * that have to be sent: S3 refuses any other length by the signature, and any other content by the checksum.
 */
export class S3Parts implements PartUploads {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #turns = new Serial();

  constructor(options: { client: S3Client; bucket: string }) {
    this.#client = options.client;
    this.#bucket = options.bucket;
  }

  async begin(key: string, layout: PartLayout): Promise<string> {
    partCount(layout);
    const begin = new CreateMultipartUploadCommand({ ...this.#at(key), ChecksumAlgorithm: "CRC32" });
    return (await this.#client.send(begin)).UploadId!;
  }

  async signPart(key: string, upload: string, part: Part, seconds: number): Promise<SignedUpload> {
    const input = { ...this.#at(key), ...declared(part), UploadId: upload, PartNumber: part.number };
    return this.#sign(new UploadPartCommand(input), part.crc32, seconds);
  }

  async signWhole(key: string, content: Omit<Part, "number">, seconds: number): Promise<SignedUpload> {
    return this.#sign(
      new PutObjectCommand({ ...this.#at(key), ...declared(content) }),
      content.crc32,
      seconds,
    );
  }

  async arrived(key: string, upload: string): Promise<Part[]> {
    return (await this.#listed(key, upload)).map(({ PartNumber, Size, ChecksumCRC32 }) => ({
      number: PartNumber!,
      size: Size!,
      crc32: Buffer.from(ChecksumCRC32 ?? "", "base64").toString("hex"),
    }));
  }

  complete(key: string, upload: string, parts: Part[]): Promise<number[]> {
    // Who comes second finds the object; at once they would only do the same work, and emulators stumble over it.
    return this.#turns.run(upload, () => this.#complete(key, upload, parts));
  }

  async #complete(key: string, upload: string, parts: Part[]): Promise<number[]> {
    const listed = new Map((await this.#listed(key, upload)).map((part) => [part.PartNumber!, part]));
    const missing = parts.filter(({ number, size, crc32 }) => {
      const part = listed.get(number);
      return part?.Size !== size || part.ChecksumCRC32 !== base64(crc32);
    });
    const numbers = missing.map(({ number }) => number);
    if (missing.length > 0) return listed.size === 0 && (await this.#isObject(key, parts)) ? [] : numbers;
    const Parts = parts.map(({ number, crc32 }) => {
      return { PartNumber: number, ETag: listed.get(number)!.ETag!, ChecksumCRC32: base64(crc32) };
    });
    const complete = { ...this.#at(key), UploadId: upload, MultipartUpload: { Parts } };
    try {
      await this.#client.send(new CompleteMultipartUploadCommand(complete));
    } catch (error) {
      // Another call was faster; or a part was sent again meanwhile, and is another one now.
      if (!isOneOf(error, "NoSuchUpload", "InvalidPart")) throw error;
      return (await this.#isObject(key, parts)) ? [] : parts.map(({ number }) => number);
    }
    return [];
  }

  /** Ends every upload of a key that begins with `prefix`; a part that is just coming in is left to S3's lifecycle. */
  async endAll(prefix: string): Promise<void> {
    let marker: { KeyMarker?: string; UploadIdMarker?: string } = {};
    for (let more = true; more; ) {
      const list = new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: prefix, ...marker });
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(list);
      const uploads = page.Uploads ?? [];
      for (let i = 0; i < uploads.length; i += ENDED_AT_ONCE) {
        await Promise.all(
          uploads.slice(i, i + ENDED_AT_ONCE).map(({ Key, UploadId }) => this.#end(Key!, UploadId!)),
        );
      }
      more = page.IsTruncated === true;
      marker = {
        ...(page.NextKeyMarker && { KeyMarker: page.NextKeyMarker }),
        ...(page.NextUploadIdMarker && { UploadIdMarker: page.NextUploadIdMarker }),
      };
    }
  }

  async #end(Key: string, UploadId: string): Promise<void> {
    const abort = new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId });
    await this.#client.send(abort).catch((error: unknown) => {
      if (!isOneOf(error, "NoSuchUpload")) throw error;
    });
  }

  async #listed(key: string, upload: string): Promise<ListedPart[]> {
    const parts: ListedPart[] = [];
    for (let after: string | undefined; ; ) {
      const list = { ...this.#at(key), UploadId: upload, ...(after && { PartNumberMarker: after }) };
      let page: ListPartsCommandOutput;
      try {
        page = await this.#client.send(new ListPartsCommand(list));
      } catch (error) {
        if (isOneOf(error, "NoSuchUpload")) return [];
        throw error;
      }
      parts.push(...(page.Parts ?? []));
      if (!page.IsTruncated) return parts;
      after = page.NextPartNumberMarker;
    }
  }

  /** Is the object there that these parts make? */
  async #isObject(key: string, parts: Part[]): Promise<boolean> {
    try {
      const head = await this.#client.send(new HeadObjectCommand(this.#at(key)));
      return head.ContentLength === parts.reduce((sum, { size }) => sum + size, 0);
    } catch (error) {
      if (isOneOf(error, "NotFound")) return false;
      throw error;
    }
  }

  async #sign(
    command: UploadPartCommand | PutObjectCommand,
    crc32: string,
    seconds: number,
  ): Promise<SignedUpload> {
    const url = await getSignedUrl(this.#client, command as PutObjectCommand, {
      ...signedFor(seconds),
      unhoistableHeaders: new Set([CHECKSUM]),
    });
    return { url, headers: { [CHECKSUM]: base64(crc32) } };
  }

  #at(key: string): { Bucket: string; Key: string } {
    keyParts(key);
    return { Bucket: this.#bucket, Key: key };
  }
}

function declared({ size, crc32 }: Omit<Part, "number">): Partial<PutObjectCommandInput> {
  return { ContentLength: size, ChecksumCRC32: base64(crc32) };
}

function base64(hex: string): string {
  return Buffer.from(hex, "hex").toString("base64");
}

function isOneOf(error: unknown, ...names: string[]): boolean {
  return names.includes((error as Error).name);
}
