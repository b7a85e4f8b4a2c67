import type { Dialect } from "../dialects/dialect.ts";
import type { DocumentPart } from "./document-part.ts";
import { documentParts } from "./document-parts.ts";

/**
 * The OpenAPI 3.1 document of Perigee's own API and these dialects. The ground imports this when it is asked for, and
 * makes it once.
 */
export async function apiDocument(dialects: readonly Dialect[]): Promise<object> {
  const document = made.get(dialects) ?? makeDocument(dialects);
  made.set(dialects, document);
  return document;
}

const made = new WeakMap<readonly Dialect[], Promise<object>>();

async function makeDocument(dialects: readonly Dialect[]): Promise<object> {
  const { logIn, dialects: parts, own } = await documentParts(dialects);
  return merged([logIn, ...dialects.map(({ name }) => parts[name] ?? {}), own]);
}

function merged(all: readonly DocumentPart[]): object {
  const paths = Object.assign({}, ...all.map((part) => part.paths)) as NonNullable<DocumentPart["paths"]>;
  const components: Record<string, Record<string, unknown>> = {};
  for (const part of all) {
    for (const [kind, named] of Object.entries(part.components ?? {})) {
      components[kind] = { ...components[kind], ...named };
    }
  }
  return { ...all[0], components, paths: withoutDeadLinks(paths) };
}

type Operation = { operationId?: string; responses?: Record<string, { links?: Record<string, Link> }> };
type Link = { operationId?: string };

/** What leads to operations of a dialect that is off is left out. */
function withoutDeadLinks(paths: Record<string, Record<string, unknown>>): object {
  const operations = Object.values(paths).flatMap((item) => Object.values(item) as Operation[]);
  const ids = new Set(operations.map(({ operationId }) => operationId));
  const alive = (value: object, key: string) => {
    if (key !== "links") return value;
    const left = Object.entries(value as Record<string, Link>).filter(([, { operationId }]) =>
      ids.has(operationId),
    );
    return left.length > 0 ? Object.fromEntries(left) : undefined;
  };
  return JSON.parse(JSON.stringify(paths, (key, value) => alive(value, key)));
}
