import { randomBytes } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import { EDGE, EDGE_RULE } from "#protocol/names.ts";
import { ConditionFailed, type LedgerStore, type Write } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";
import { type EdgeRecord, keys, sha256 } from "./keys.ts";
import { queryAll } from "./query-all.ts";

const TOKEN = /^pga_[A-Za-z0-9_-]{43}$/;

/** An edge as the operator sees it; times in ms since 1970, `tokenCreatedAt` absent while its agent has none. */
export type Edge = { id: string; createdAt: number; tokenCreatedAt?: number };

/** The same error for an edge that does not exist and one that is not granted: nobody learns of others' edges. */
export function edgeNotFound(): PerigeeError {
  return new PerigeeError("EDGE_NOT_FOUND", "There is no such edge");
}

/** The edges and their agents' tokens. Only the SHA-256 of a token is stored; each edge has at most one. */
export class Edges {
  readonly #store: LedgerStore;
  readonly #now: () => number;

  constructor(store: LedgerStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** @throws INVALID_PARAMETERS, ALREADY_EXISTS */
  async add(id: string): Promise<{ token: string }> {
    if (!EDGE.test(id)) throw new PerigeeError("INVALID_PARAMETERS", `edge: ${EDGE_RULE}`);
    const { token, hash } = newToken();
    const now = this.#now();
    const data: EdgeRecord = { createdAt: now, tokenHash: hash, tokenCreatedAt: now };
    try {
      await this.#store.transact([
        { put: { ...keys.edge(id), data }, if: 0 },
        { put: { ...keys.agentToken(hash), data: { edge: id } }, if: 0 },
      ]);
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error;
      throw new PerigeeError("ALREADY_EXISTS", `There is an edge ${id} already`);
    }
    return { token };
  }

  /** Makes a new token; the old one is invalid at once. @throws EDGE_NOT_FOUND */
  async rotateToken(id: string): Promise<{ token: string }> {
    const { token, hash } = newToken();
    await this.#setToken(id, hash);
    return { token };
  }

  /** Revokes the agent's token, if there is one. @throws EDGE_NOT_FOUND */
  async revokeToken(id: string): Promise<void> {
    await this.#setToken(id, undefined);
  }

  /** The edge whose agent's token this is. */
  async ofToken(token: string): Promise<string | undefined> {
    if (!TOKEN.test(token)) return undefined;
    return (await this.#store.get<{ edge: string }>(keys.agentToken(sha256(token))))?.data.edge;
  }

  /** All edges, ordered by id. */
  async list(): Promise<Edge[]> {
    const items = await queryAll<EdgeRecord>(this.#store, { pk: keys.edges });
    return items.map(({ sk, data: { createdAt, tokenCreatedAt } }) => ({
      id: sk,
      createdAt,
      tokenCreatedAt,
    }));
  }

  /** @throws EDGE_NOT_FOUND */
  async mustExist(id: string): Promise<void> {
    if (!EDGE.test(id) || !(await this.#store.get(keys.edge(id)))) throw edgeNotFound();
  }

  #setToken(id: string, hash: string | undefined): Promise<void> {
    return optimistically(async () => {
      const item = EDGE.test(id) ? await this.#store.get<EdgeRecord>(keys.edge(id)) : undefined;
      if (!item) throw edgeNotFound();
      const { createdAt, tokenHash: before } = item.data;
      const data: EdgeRecord = hash
        ? { createdAt, tokenHash: hash, tokenCreatedAt: this.#now() }
        : { createdAt };
      const writes: Write[] = [{ put: { ...keys.edge(id), data }, if: item.rev }];
      if (before) writes.push({ delete: keys.agentToken(before) });
      if (hash) writes.push({ put: { ...keys.agentToken(hash), data: { edge: id } }, if: 0 });
      await this.#store.transact(writes);
    });
  }
}

function newToken(): { token: string; hash: string } {
  const token = `pga_${randomBytes(32).toString("base64url")}`;
  return { token, hash: sha256(token) };
}
