import { text } from "node:stream/consumers";
import type { StagedFile } from "#protocol/operations.ts";
import { byteQuotaExceeded } from "#protocol/quota-exceeded.ts";
import { RepositoryFailed } from "../../ports/repository-fetcher.ts";
import type { DialectCore } from "../core.ts";
import { requireTree } from "./attachment-path.ts";
import type { Attachment, Given } from "./parameters.ts";
import { parameterError } from "./refusals.ts";
import { repositoryAddress } from "./repository-address.ts";
import { repositoryPrefixes } from "./settings.ts";

export const DOCKERFILE = "Dockerfile";
const DOCKERFILE_BYTES = 64 * 1024;

/** A build's staged files, with its Dockerfile among them, and the text of that. */
export type BuildContext = { files: StagedFile[]; dockerfile: string };

/** The context of a Dockerfile that came as a text or among the attachments. @throws INVALID_PARAMETERS */
export async function attachedContext(
  { staging }: Pick<DialectCore, "staging">,
  prefix: string,
  given: Given,
  attachments: readonly Attachment[],
): Promise<BuildContext> {
  const tooLong = () => parameterError("dockerfile", "must be at most 64 KiB");
  const own = attachments.find(({ path }) => path === DOCKERFILE);
  const dockerfile = given.get("dockerfile");
  if (dockerfile === undefined) {
    if (own!.size > DOCKERFILE_BYTES) throw tooLong();
    const { body } = await staging.get(`${prefix}${own!.n}`);
    return { files: [...attachments], dockerfile: await text(body) };
  }
  const bytes = Buffer.from(dockerfile);
  if (bytes.length > DOCKERFILE_BYTES) throw tooLong();
  requireTree([...attachments.map(({ path }) => path), DOCKERFILE]);
  const n = Math.max(-1, ...attachments.map((file) => file.n)) + 1;
  const stored = await staging.put(`${prefix}${n}`, bytes, { maxBytes: bytes.length });
  const others = attachments.filter((file) => file !== own);
  return { files: [...others, { n, path: DOCKERFILE, ...stored }], dockerfile };
}

/**
 * The context that a repository is; attachments do not count.
 * @param of whose it is, where its files are staged, how many bytes they may have, and which numbers are taken
 * @throws RepositoryFailed; QUOTA_EXCEEDED, STORAGE_FULL
 */
export async function repositoryContext(
  core: DialectCore,
  url: string,
  of: { user: string; prefix: string; allowance: number; firstNumber: number },
  signal: AbortSignal,
): Promise<BuildContext> {
  const address = repositoryAddress(url, repositoryPrefixes(core));
  if (!core.repositories) throw new RepositoryFailed("not available on this ground");
  await using fetched = await core.repositories.fetch(of.user, address, signal);
  const own = fetched.files.find(({ path }) => path === DOCKERFILE);
  if (!own) throw new NoDockerfile();
  if (own.size > DOCKERFILE_BYTES) throw new RepositoryFailed("its Dockerfile is over 64 KiB");
  if (fetched.files.reduce((sum, { size }) => sum + size, 0) > of.allowance) throw byteQuotaExceeded();
  const dockerfile = await text(own.open());
  const files: StagedFile[] = [];
  for (const { path, size, open } of fetched.files) {
    const n = of.firstNumber + files.length;
    const stored = await core.staging.put(`${of.prefix}${n}`, open(), { maxBytes: size, signal });
    files.push({ n, path, ...stored });
  }
  return { files, dockerfile };
}

/** A repository without a Dockerfile. */
export class NoDockerfile extends Error {
  override readonly name = "NoDockerfile";
}
