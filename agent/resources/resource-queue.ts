import { FairTurns, type TurnPath } from "./fair-turns.ts";
import { compareOrder, type ResourceRequest, type ResourceUse, withoutRepeats } from "./resource.ts";

/** What a command lacks, and the command that has it or is before it. */
export type Lack = { readonly use: ResourceUse; readonly behind: ResourceRequest | undefined };

type Holders = { readers: Map<string, ResourceRequest>; others: Map<string, ResourceRequest> };

/**
 * Who may use what on the edge. Pure: it is told what comes and goes, and answers whose turn it is.
 *
 * Invariants:
 * - a lock has one writer, or any number of readers; a counted resource has at most `places` holders;
 * - a command gets all its resources in one step or none, so nobody holds one while waiting for another;
 * - locks go in claim order: no command gets one while an earlier command waits that cannot have it together with it.
 *   So an earlier command waits for holders only, and there is no deadlock and no starvation;
 * - places of a counted resource go, among the commands that lack nothing else, round the lanes, the users of a lane
 *   and the groups of a user, then in claim order ({@link FairTurns}); the last free one, where it is left, to a user
 *   that holds none;
 * - a request that is not ready yet keeps its place, unless it is `aside`: who comes after it gets no lock that it wants.
 *
 * A command that works in two steps makes a request for each, the second one unready. It may then wait for the second
 * while it holds the first, as long as nothing is wanted in both: who holds the second never waits for a first.
 *
 * @example
 * const queue = new ResourceQueue();
 * queue.add([first, second]); // ids of those that may begin
 * queue.release(first.id, "volume ann/data"); // ids of those that may begin because of that
 * queue.remove(first.id);
 */
export class ResourceQueue {
  /** in claim order */
  #waiting: ResourceRequest[] = [];
  readonly #granted = new Map<string, { request: ResourceRequest; held: Map<string, ResourceUse> }>();
  readonly #holders = new Map<string, Holders>();
  readonly #turns = new Map<string, FairTurns>();

  /** Commands that wait for a resource. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Puts commands in their places by claim order. @returns ids of all that got their resources by this, in order */
  add(requests: readonly ResourceRequest[]): string[] {
    const had: string[] = [];
    for (const given of requests) {
      const request = { ...given, uses: withoutRepeats(given.uses) };
      for (const use of request.uses) if (use.mode === "place") this.#turnsOf(use.key).enter(pathOf(request));
      if (request.had) {
        this.#hold(request);
        had.push(request.id);
      } else this.#waiting.push(request);
    }
    this.#waiting.sort((a, b) => compareOrder(a.order, b.order));
    return [...had, ...this.#grant()];
  }

  /** An unready request may get what it wants from now on; harmless for any other. @returns as {@link add} */
  ready(id: string): string[] {
    this.#waiting = this.#waiting.map((request) =>
      request.id === id ? { ...request, unready: false } : request,
    );
    return this.#grant();
  }

  /** Gives one resource back before the command's end; one that it does not hold is no error. @returns as {@link add} */
  release(id: string, key: string): string[] {
    const granted = this.#granted.get(id);
    const use = granted?.held.get(key);
    if (!granted || !use) return [];
    granted.held.delete(key);
    this.#dropHolder(granted.request, use);
    return this.#grant();
  }

  /** Takes the command out: it has ended, or was cancelled while it waited. @returns as {@link add} */
  remove(id: string): string[] {
    const granted = this.#granted.get(id);
    if (granted) {
      this.#granted.delete(id);
      for (const use of granted.held.values()) this.#dropHolder(granted.request, use);
      return this.#grant();
    }
    const at = this.#waiting.findIndex((request) => request.id === id);
    if (at < 0) return [];
    const [request] = this.#waiting.splice(at, 1);
    this.#leaveTurns(request!, false);
    return this.#grant();
  }

  /** Has the command got its resources? */
  isGranted(id: string): boolean {
    return this.#granted.has(id);
  }

  /** The first thing that a waiting command lacks; undefined for one that does not wait. */
  lackOf(id: string): Lack | undefined {
    const at = this.#waiting.findIndex((request) => request.id === id);
    const request = this.#waiting[at];
    if (!request) return undefined;
    for (const use of request.uses) {
      if (use.mode === "place") continue;
      const before = this.#waiting
        .slice(0, at)
        .find((other) => !isAside(other) && other.uses.some((its) => conflict(its, use)));
      const behind = this.#conflicting(use) ?? before;
      if (behind) return { use, behind };
    }
    const place = request.uses.find((use) => use.mode === "place" && !this.#mayHold(request, use));
    return place && { use: place, behind: this.#conflicting(place) ?? this.#ownHolder(request, place) };
  }

  #grant(): string[] {
    const ids: string[] = [];
    /** what earlier waiting commands want of each lock */
    const wanted = new Map<string, "read" | "write">();
    const lackPlacesOnly: ResourceRequest[] = [];
    for (const request of this.#waiting) {
      const locks = request.uses.filter((use) => use.mode !== "place");
      const may = (use: ResourceUse) => this.#isFree(use) && !isBlocked(use, wanted.get(use.key));
      if (!request.unready && locks.every(may)) {
        if (locks.length === request.uses.length) {
          this.#hold(request);
          ids.push(request.id);
          continue;
        }
        lackPlacesOnly.push(request);
      }
      if (isAside(request)) continue;
      for (const { key, mode } of locks) if (mode === "write" || !wanted.has(key)) wanted.set(key, mode);
    }
    ids.push(...this.#grantPlaces(lackPlacesOnly));
    if (ids.length > 0) this.#waiting = this.#waiting.filter(({ id }) => !this.#granted.has(id));
    return ids;
  }

  #grantPlaces(candidates: ResourceRequest[]): string[] {
    const ids: string[] = [];
    for (;;) {
      let next: ResourceRequest | undefined;
      for (const request of candidates) {
        if (this.#granted.has(request.id) || !this.#mayHoldAll(request)) continue;
        if (!next || this.#compareTurns(request, next) < 0) next = request;
      }
      if (!next) return ids;
      this.#hold(next);
      ids.push(next.id);
    }
  }

  /** Two that want the same counted resource by its turns; others, and the same path, by claim order. */
  #compareTurns(a: ResourceRequest, b: ResourceRequest): number {
    for (const use of a.uses) {
      if (use.mode !== "place" || !b.uses.some(({ key }) => key === use.key)) continue;
      const difference = this.#turnsOf(use.key).compare(pathOf(a), pathOf(b));
      if (difference !== 0) return difference;
    }
    return compareOrder(a.order, b.order);
  }

  #hold(request: ResourceRequest): void {
    this.#granted.set(request.id, {
      request,
      held: new Map(request.uses.map((use) => [use.key, use])),
    });
    for (const use of request.uses) {
      const holders = this.#holders.get(use.key) ?? { readers: new Map(), others: new Map() };
      this.#holders.set(use.key, holders);
      (use.mode === "read" ? holders.readers : holders.others).set(request.id, request);
    }
    this.#leaveTurns(request, true);
  }

  #dropHolder(request: ResourceRequest, { key, mode }: ResourceUse): void {
    const { id } = request;
    if (mode === "place") this.#turns.get(key)?.released(pathOf(request));
    const holders = this.#holders.get(key);
    holders?.readers.delete(id);
    holders?.others.delete(id);
    if (holders?.readers.size === 0 && holders.others.size === 0) this.#holders.delete(key);
  }

  #leaveTurns(request: ResourceRequest, served: boolean): void {
    for (const { key, mode } of request.uses) {
      if (mode !== "place") continue;
      const turns = this.#turnsOf(key);
      turns.leave(pathOf(request), served);
      if (turns.isEmpty) this.#turns.delete(key);
    }
  }

  #mayHoldAll(request: ResourceRequest): boolean {
    return request.uses.every((use) => this.#mayHold(request, use));
  }

  #mayHold(request: ResourceRequest, use: ResourceUse): boolean {
    if (!this.#isFree(use)) return false;
    if (use.mode !== "place" || !use.leavesLast) return true;
    const held = this.#holders.get(use.key)?.others.size ?? 0;
    return use.places - held > 1 || this.#ownHolder(request, use) === undefined;
  }

  /** A command of the same user that has a place already. */
  #ownHolder({ lane, user }: ResourceRequest, { key }: ResourceUse): ResourceRequest | undefined {
    const holders = this.#holders.get(key)?.others.values() ?? [];
    return [...holders].find((other) => other.lane === lane && other.user === user);
  }

  #isFree(use: ResourceUse): boolean {
    return this.#conflicting(use) === undefined;
  }

  /** A holder with which `use` cannot be. */
  #conflicting(use: ResourceUse): ResourceRequest | undefined {
    const holders = this.#holders.get(use.key);
    if (!holders) return undefined;
    const [other] = holders.others.values();
    if (use.mode === "place") return holders.others.size < use.places ? undefined : other;
    if (other || use.mode === "read") return other;
    const [reader] = holders.readers.values();
    return reader;
  }

  #turnsOf(key: string): FairTurns {
    const turns = this.#turns.get(key) ?? new FairTurns();
    this.#turns.set(key, turns);
    return turns;
  }
}

function isAside({ unready, aside }: ResourceRequest): boolean {
  return (unready && aside) ?? false;
}

function isBlocked(use: ResourceUse, wanted: "read" | "write" | undefined): boolean {
  return wanted === "write" || (wanted === "read" && use.mode === "write");
}

/** May no two of different commands be held together? Places are counted, so they never conflict here. */
function conflict(a: ResourceUse, b: ResourceUse): boolean {
  if (a.key !== b.key || a.mode === "place" || b.mode === "place") return false;
  return a.mode === "write" || b.mode === "write";
}

function pathOf({ lane, user, group = "" }: ResourceRequest): TurnPath {
  return [lane, user, group];
}
