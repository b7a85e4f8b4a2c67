import { randomUUID } from "node:crypto";
import { PerigeeError } from "#protocol/errors.ts";
import { EDGE, USER, USER_RULE } from "#protocol/names.ts";
import { PRIORITY, type PriorityBounds } from "#protocol/priority.ts";
import { ConditionFailed, type Item, type LedgerStore, type Write } from "../ports/ledger-store.ts";
import { optimistically } from "../ports/optimistically.ts";
import { type Edge, Edges, edgeNotFound } from "./edges.ts";
import { keys, type RemovalRecord, type UserRecord } from "./keys.ts";
import { checkPassword, hashPassword, type PasswordCost, verifyPassword } from "./password.ts";
import { queryAll } from "./query-all.ts";
import type { Identity } from "./tokens.ts";

/** A user without the password; times in ms since 1970. */
export type Account = Identity & Pick<UserRecord, "createdAt" | "defaultEdge" | "priority" | "operator">;

/** What tells which edge an account means. */
export type EdgeUser = Pick<Account, "uid" | "defaultEdge">;

const MAX_WRITES = 25;
/** Of them for what is written beside a user who registers. */
const MOST_BESIDE = 10;

/**
 * Users, edges, agents' tokens and who may use which edge (layout in keys.ts). Every change is a conditional
 * write on what was read, so that operators who act at once lose nothing of each other's.
 */
export class Accounts {
  readonly #store: LedgerStore;
  readonly #now: () => number;
  readonly #cost: PasswordCost | undefined;
  readonly #edges: Edges;

  /**
   * @param options.now clock in ms since 1970 (default Date.now)
   * @param options.passwordCost of new hashes, for tests (default a quarter of a second)
   */
  constructor(store: LedgerStore, options: { now?: () => number; passwordCost?: PasswordCost } = {}) {
    this.#store = store;
    this.#now = options.now ?? Date.now;
    this.#cost = options.passwordCost;
    this.#edges = new Edges(store, this.#now);
  }

  /**
   * Makes a user, granted `edges`; without any named the only edge, when there is exactly one.
   * @throws INVALID_PARAMETERS (name or password), EDGE_NOT_FOUND, ALREADY_EXISTS
   */
  async addUser(name: string, password: string, options: { edges?: string[] } = {}): Promise<Account> {
    if (!USER.test(name)) throw new PerigeeError("INVALID_PARAMETERS", `user name: ${USER_RULE}`);
    checkPassword(password);
    return this.#add(name, password, options.edges, async () => []);
  }

  /**
   * Makes a user who registers, with whatever password.
   * @param options.beside what is written together with the user, on conditions; it is asked again when others changed
   *   it meanwhile, and what it throws ends the call. At most 10 writes
   * @throws EDGE_NOT_FOUND, ALREADY_EXISTS
   */
  register(
    name: string,
    password: string,
    options: { edges: string[]; beside: (uid: string) => Promise<Write[]> },
  ): Promise<Account> {
    return this.#add(name, password, options.edges, options.beside);
  }

  async #add(
    name: string,
    password: string,
    named: string[] | undefined,
    more: (uid: string) => Promise<Write[]>,
  ): Promise<Account> {
    const edges = await this.#edgesToGrant(named);
    const taken = () => new PerigeeError("ALREADY_EXISTS", `There is a user ${name} already`);
    if (await this.getUser(name)) throw taken();
    const data: UserRecord = {
      uid: randomUUID(),
      password: await hashPassword(password, this.#cost),
      generation: 1,
      createdAt: this.#now(),
    };
    const grants: Write[] = edges.map((edge) => ({ put: { ...keys.grant(data.uid, edge), data: {} } }));
    // What does not fit beside the user goes before: grants of a uid that nobody has yet mean nothing.
    const beside = grants.splice(-(MAX_WRITES - 1 - MOST_BESIDE));
    while (grants.length > 0) await this.#store.transact(grants.splice(0, MAX_WRITES));
    await optimistically(async () => {
      const writes = [...beside, ...(await more(data.uid))];
      try {
        await this.#store.transact([{ put: { ...keys.user(name), data }, if: 0 }, ...writes]);
      } catch (error) {
        throw error instanceof ConditionFailed && error.index === 0 ? taken() : error;
      }
    });
    return toAccount(name, data);
  }

  /** Removes a user; tokens and grants end with the record. @throws USER_NOT_FOUND */
  async removeUser(name: string): Promise<void> {
    const { uid } = await optimistically(async () => {
      const item = await this.#user(name);
      const data: RemovalRecord = { user: name, uid: item.data.uid };
      await this.#store.transact([
        { delete: keys.user(name), if: item.rev },
        { put: { ...keys.removal(data.uid), data } },
        { put: { ...keys.former(name), data: { at: this.#now() } } },
      ]);
      return item.data;
    });
    const grants = await queryAll(this.#store, { pk: keys.grants(uid) });
    const deletes: Write[] = grants.map(({ pk, sk }) => ({ delete: { pk, sk } }));
    while (deletes.length > 0) await this.#store.transact(deletes.splice(0, MAX_WRITES));
  }

  /** In order of their names, with the edges granted to each. */
  async listUsers(): Promise<(Account & { edges: string[] })[]> {
    const items = await queryAll<UserRecord>(this.#store, { pk: keys.users });
    return Promise.all(
      items.map(async ({ sk, data }) => ({ ...toAccount(sk, data), edges: await this.#granted(data.uid) })),
    );
  }

  /** Users in the order of their names, those after `after`. */
  async page({ after, limit }: { after: string; limit: number }): Promise<Account[]> {
    const items = await this.#store.query<UserRecord>({ pk: keys.users, limit, ...(after && { after }) });
    return items.map(({ sk, data }) => toAccount(sk, data));
  }

  /** Was it the name of a user who was removed? */
  async isFormer(name: string): Promise<boolean> {
    return (await this.#store.get(keys.former(name))) !== undefined;
  }

  async getUser(name: string): Promise<Account | undefined> {
    const item = await this.#find(name);
    return item && toAccount(name, item.data);
  }

  /**
   * The user, when the password is right. An unknown name takes as long as a wrong password.
   * @throws TOO_MANY_ATTEMPTS when too many others are being checked
   */
  async verifyPassword(name: string, password: string): Promise<Account | undefined> {
    const item = await this.#find(name);
    const right = await verifyPassword(password, item?.data.password, this.#cost);
    return right && item ? toAccount(name, item.data) : undefined;
  }

  /** A new password; tokens made before end. @throws INVALID_PARAMETERS, USER_NOT_FOUND */
  async setPassword(name: string, password: string): Promise<void> {
    await this.#user(name);
    checkPassword(password);
    const hash = await hashPassword(password, this.#cost);
    await this.#changeUser(name, (user) => ({ ...user, password: hash, generation: user.generation + 1 }));
  }

  /**
   * The priorities that a user may ask for.
   * @throws INVALID_PARAMETERS when `least` is over `most`, or one is no priority; USER_NOT_FOUND
   */
  async setPriority(name: string, bounds: PriorityBounds): Promise<void> {
    const { least, most } = bounds;
    const known = [least, most].every(
      (n) => Number.isInteger(n) && n >= PRIORITY.least && n <= PRIORITY.most,
    );
    if (!known || least > most) {
      const rule = `from ${PRIORITY.least} to ${PRIORITY.most}, the least not over the most`;
      throw new PerigeeError("INVALID_PARAMETERS", `priorities: must be whole numbers ${rule}`);
    }
    await this.#changeUser(name, (user) => ({ ...user, priority: { least, most } }));
  }

  /**
   * Makes a user an operator, or none any more: one sees and holds every edge over HTTP (`lambdas/operator`), and changes
   * plans of contact windows.
   * @throws USER_NOT_FOUND
   */
  async setOperator(name: string, operator: boolean): Promise<void> {
    await this.#changeUser(name, ({ operator: _, ...user }) => ({ ...user, ...(operator && { operator }) }));
  }

  /** Makes an edge; its agent's token is shown this once. @throws INVALID_PARAMETERS, ALREADY_EXISTS */
  addEdge(id: string): Promise<{ token: string }> {
    return this.#edges.add(id);
  }

  /** A new token for the edge's agent; the one before ends at once. @throws EDGE_NOT_FOUND */
  rotateEdgeToken(id: string): Promise<{ token: string }> {
    return this.#edges.rotateToken(id);
  }

  /** Ends the token of the edge's agent. @throws EDGE_NOT_FOUND */
  revokeEdgeToken(id: string): Promise<void> {
    return this.#edges.revokeToken(id);
  }

  /** The edge whose agent's token this is; undefined when it is none, or no longer. */
  edgeOfToken(token: string): Promise<string | undefined> {
    return this.#edges.ofToken(token);
  }

  /** In order of their ids. */
  listEdges(): Promise<Edge[]> {
    return this.#edges.list();
  }

  /** Lets a user use an edge; once is enough. @throws EDGE_NOT_FOUND, USER_NOT_FOUND */
  async grant(edge: string, user: string): Promise<void> {
    await this.#edges.mustExist(edge);
    await optimistically(async () => {
      const { data, rev } = await this.#user(user);
      await this.#store.transact([
        { check: keys.user(user), if: rev },
        { put: { ...keys.grant(data.uid, edge), data: {} } },
        // what was to go with an earlier grant stays
        { delete: keys.removal(data.uid, edge) },
      ]);
    });
  }

  /** Takes an edge from a user. @throws EDGE_NOT_FOUND when it was not granted, USER_NOT_FOUND */
  async revoke(edge: string, user: string): Promise<void> {
    await optimistically(async () => {
      const { data, rev } = await this.#user(user);
      const grant = await this.#grant(data.uid, edge);
      if (!grant) throw edgeNotFound();
      // The user's record is part of it even unchanged: it may just be getting this edge as its default.
      const { defaultEdge, ...rest } = data;
      const removal: RemovalRecord = { user, uid: data.uid, edge };
      await this.#store.transact([
        defaultEdge === edge
          ? { put: { ...keys.user(user), data: rest }, if: rev }
          : { check: keys.user(user), if: rev },
        { delete: keys.grant(data.uid, edge), if: grant.rev },
        { put: { ...keys.removal(data.uid, edge), data: removal } },
      ]);
    });
  }

  /** The edge that is meant when a request names none. @throws USER_NOT_FOUND, EDGE_NOT_FOUND when not granted */
  async setDefaultEdge(user: string, edge: string): Promise<void> {
    await optimistically(async () => {
      const { data, rev } = await this.#user(user);
      const grant = await this.#grant(data.uid, edge);
      if (!grant) throw edgeNotFound();
      await this.#store.transact([
        { put: { ...keys.user(user), data: { ...data, defaultEdge: edge } }, if: rev },
        { check: keys.grant(data.uid, edge), if: grant.rev },
      ]);
    });
  }

  /**
   * The edge that a request means: the header `Perigee-Edge`, else the user's default, else the only one.
   * @throws EDGE_NOT_FOUND when it is not granted, unknown, or none is; INVALID_PARAMETERS when several are
   *   granted and none is chosen
   */
  async resolveEdge(user: string, header: string | undefined): Promise<string> {
    const account = await this.getUser(user);
    if (!account) throw edgeNotFound();
    return this.edgeOf(account, header);
  }

  /** As {@link Accounts.resolveEdge}, for an account that is known. */
  async edgeOf(account: EdgeUser, header: string | undefined): Promise<string> {
    const named = header || account.defaultEdge;
    if (named !== undefined) {
      if (!(await this.#grant(account.uid, named))) throw edgeNotFound();
      return named;
    }
    const granted = await this.#store.query({ pk: keys.grants(account.uid), limit: 2 });
    if (granted.length > 1) {
      throw new PerigeeError(
        "INVALID_PARAMETERS",
        "Perigee-Edge: several edges are granted to you; name one in this header",
      );
    }
    if (!granted[0]) throw new PerigeeError("EDGE_NOT_FOUND", "No edge is granted to you");
    return granted[0].sk;
  }

  /** The edges granted to a user, by name; `default` is the one that a request means that names none. */
  async grantedEdges(
    user: string,
  ): Promise<{ edges: string[]; default?: string | undefined; operator?: boolean }> {
    const account = await this.getUser(user);
    if (!account) return { edges: [] };
    const edges = await this.edgesOf(account);
    return {
      edges,
      default: account.defaultEdge ?? (edges.length === 1 ? edges[0] : undefined),
      ...(account.operator && { operator: true }),
    };
  }

  /** The edges that are granted to an account, by name. */
  edgesOf({ uid }: Account): Promise<string[]> {
    return this.#granted(uid);
  }

  async #edgesToGrant(named: string[] | undefined): Promise<string[]> {
    if (named && named.length > 0) {
      for (const edge of named) await this.#edges.mustExist(edge);
      return [...new Set(named)];
    }
    const some = await this.#store.query({ pk: keys.edges, limit: 2 });
    return some.length === 1 ? [some[0]!.sk] : [];
  }

  async #granted(uid: string): Promise<string[]> {
    return (await queryAll(this.#store, { pk: keys.grants(uid) })).map(({ sk }) => sk);
  }

  async #grant(uid: string, edge: string): Promise<Item | undefined> {
    return EDGE.test(edge) ? this.#store.get(keys.grant(uid, edge)) : undefined;
  }

  async #find(name: string): Promise<Item<UserRecord> | undefined> {
    return USER.test(name) ? this.#store.get<UserRecord>(keys.user(name)) : undefined;
  }

  async #user(name: string): Promise<Item<UserRecord>> {
    const item = await this.#find(name);
    if (!item) throw new PerigeeError("USER_NOT_FOUND", `There is no user ${name}`);
    return item;
  }

  #changeUser(name: string, change: (user: UserRecord) => UserRecord): Promise<void> {
    return optimistically(async () => {
      const { data, rev } = await this.#user(name);
      await this.#store.transact([{ put: { ...keys.user(name), data: change(data) }, if: rev }]);
    });
  }
}

function toAccount(name: string, { password: _, ...user }: UserRecord): Account {
  return { name, ...user };
}
