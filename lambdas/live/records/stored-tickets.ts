import { randomBytes, randomUUID } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import { MiB } from "#protocol/limits.ts";
import type { LiveTarget } from "#protocol/live.ts";
import { LIVE_LIMITS } from "#protocol/live-limits.ts";
import { sha256 } from "../../auth/keys.ts";
import { ulid } from "../../ledger/ulid.ts";
import { ConditionFailed, type Item, type LedgerStore, type Write } from "../../ports/ledger-store.ts";
import type { LiveTickets, Ticket } from "../tickets.ts";

/** `data` is the ticket as JSON, cut into the first piece here and the others in items of their own. */
type Listed = { hash: string; parts: number /** absent: by an earlier version */; bytes?: number };
type Head = { until: number; listed: string; of: string; data: string; parts: number };

/** Bytes of one piece: an item holds it with room to spare, in base64. */
const PIECE = 192 * 1024;

/** What the unused tickets of one target hold together: a user may have hundreds of targets, and all share the store. */
const MOST_BYTES = 4 * MiB;

/** Expired tickets that one new one removes, where the store has not: more than one, so that they become fewer. */
const EXPIRED = 2;

const headKey = (hash: string) => ({ pk: `live-ticket#${hash}`, sk: "head" });
const partKey = (hash: string, n: number) => ({ pk: `live-ticket#${hash}`, sk: `part#${n}` });
const listOf = (target: string) => `live-tickets#${target}`;

/** Tickets under the hash of their text, so that who reads the store cannot use them. */
export class StoredTickets implements LiveTickets {
  readonly #store: LedgerStore;
  readonly #now: () => number;

  constructor(store: LedgerStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** @throws BODY_TOO_LARGE for one that holds too much */
  async create(
    ticket: Omit<Ticket, "madeAt">,
    { ttlMs, most, form }: { ttlMs: number; most: number; form?: "uuid" },
  ): Promise<string> {
    const text = form === "uuid" ? randomUUID() : randomBytes(32).toString("base64url");
    const hash = sha256(text);
    const now = this.#now();
    const bytes = Buffer.from(JSON.stringify({ ...ticket, madeAt: now } satisfies Ticket));
    if (bytes.length > LIVE_LIMITS.ticketBytes) {
      throw new PerigeeError("BODY_TOO_LARGE", "command and environment are too long together");
    }
    const pieces = piecesOf(bytes);
    const expiresAt = now + ttlMs;
    const listed = ulid(now);
    const of = nameOf(ticket);
    const [data = "", ...parts] = pieces;
    await this.#makeRoom(of, { keep: most - 1, bytes: bytes.length });
    const head: Head = { until: expiresAt, listed, of, data, parts: parts.length };
    await this.#store.transact([
      { put: { ...headKey(hash), expiresAt, data: head }, if: 0 },
      {
        put: {
          pk: listOf(of),
          sk: listed,
          expiresAt,
          data: { hash, parts: parts.length, bytes: bytes.length },
        },
      },
      ...parts.map((part, n): Write => ({ put: { ...partKey(hash, n), expiresAt, data: { part } } })),
    ]);
    return text;
  }

  async look(text: string): Promise<Ticket | undefined> {
    return (await this.#read(text))?.ticket;
  }

  async use(text: string): Promise<Ticket | undefined> {
    const found = await this.#read(text);
    if (!found) return undefined;
    const { head, hash, ticket } = found;
    const { of, listed, parts } = head.data;
    try {
      await this.#store.transact([
        { delete: headKey(hash), if: head.rev },
        { delete: { pk: listOf(of), sk: listed } },
        ...deletesOf(hash, parts),
      ]);
      return ticket;
    } catch (error) {
      if (error instanceof ConditionFailed) return undefined;
      throw error;
    }
  }

  async #read(text: string): Promise<{ head: Item<Head>; hash: string; ticket: Ticket } | undefined> {
    if (text.length === 0 || text.length > 64) return undefined;
    const hash = sha256(text);
    const head = await this.#store.get<Head>(headKey(hash));
    if (!head || head.data.until <= this.#now()) return undefined;
    const parts = await Promise.all(
      Array.from({ length: head.data.parts }, (_, n) => this.#store.get<{ part: string }>(partKey(hash, n))),
    );
    // it was used meanwhile
    if (parts.includes(undefined)) return undefined;
    const pieces = [head.data.data, ...parts.map((item) => item!.data.part)];
    const json = Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64"))).toString();
    return { head, hash, ticket: JSON.parse(json) as Ticket };
  }

  /** Of the unused tickets of one target the oldest go, until at most `keep` are left; expired ones too, before they hide others. */
  async #makeRoom(of: string, { keep, bytes }: { keep: number; bytes: number }): Promise<void> {
    const items = await this.#store.query<Listed>({ pk: listOf(of), limit: 1000 });
    const now = this.#now();
    const open = items.filter(({ expiresAt = 0 }) => expiresAt > now);
    const expired = items.filter(({ expiresAt = 0 }) => expiresAt <= now).slice(0, EXPIRED);
    let surplus = Math.max(0, open.length - keep);
    let held = open.slice(surplus).reduce((sum, { data }) => sum + bytesOf(data), bytes);
    for (; held > MOST_BYTES && surplus < open.length; surplus++) held -= bytesOf(open[surplus]!.data);
    for (const { sk, data } of [...expired, ...open.slice(0, surplus)]) {
      await this.#store.transact([
        { delete: { pk: listOf(of), sk } },
        { delete: headKey(data.hash) },
        ...deletesOf(data.hash, data.parts),
      ]);
    }
  }
}

const bytesOf = ({ parts, bytes = (parts + 1) * PIECE }: Listed) => bytes;

function piecesOf(bytes: Buffer): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) {
    pieces.push(bytes.subarray(at, at + PIECE).toString("base64"));
  }
  return pieces;
}

const deletesOf = (hash: string, parts: number): Write[] =>
  Array.from({ length: parts }, (_, n) => ({ delete: partKey(hash, n) }));

function nameOf({ user, edge, target }: { user: string; edge: string; target: LiveTarget }): string {
  const name = "runner" in target ? `runner#${target.runner}` : `pod#${target.pod}#${target.run}`;
  return `${edge}#${user}#${name}`;
}
