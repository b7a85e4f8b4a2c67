/** How much of something all have together, and one user. */
export type Room = { most: number; mostOfUser: number };

/** A runner of it takes one place, and so many ports. */
type Needing = { key: string; ports?: number };

/** @param key `<user>#<environment>` */
export const userOf = (key: string): string => key.slice(0, key.lastIndexOf("#"));

/** What is left of an edge's room for runners and for their ports, and of each user's part in it. */
export class Places {
  readonly #runners: Left;
  readonly #ports: Left;

  constructor(runners: Room, ports: Room) {
    this.#runners = new Left(runners);
    this.#ports = new Left(ports);
  }

  /** For how many more runners of a pool there are places. */
  for(pool: Needing): number {
    return Math.max(0, Math.floor(this.turns([pool])));
  }

  /** What there are no places of. */
  lacking({ key, ports = 0 }: Needing): "runners" | "ports" {
    return this.#runners.of(userOf(key)) > 0 && ports > this.#ports.of(userOf(key)) ? "ports" : "runners";
  }

  take({ key, ports = 0 }: Needing, count = 1): void {
    this.#runners.take(userOf(key), count);
    this.#ports.take(userOf(key), count * ports);
  }

  /** How many runners each of the pools can have. A user's last places go round the user's pools, as the edge's do round all. */
  turns(pools: readonly Needing[]): number {
    const parts = [...Map.groupBy(pools, ({ key }) => userOf(key))].flatMap(([user, own]) => [
      part(this.#runners.of(user), own.length),
      part(this.#ports.of(user), portsOf(own)),
    ]);
    return Math.floor(
      Math.min(part(this.#runners.all, pools.length), part(this.#ports.all, portsOf(pools)), ...parts),
    );
  }
}

class Left {
  readonly #room: Room;
  #taken = 0;
  readonly #takenBy = new Map<string, number>();

  constructor(room: Room) {
    this.#room = room;
  }

  get all(): number {
    return Math.max(0, this.#room.most - this.#taken);
  }

  of(user: string): number {
    return Math.max(0, Math.min(this.all, this.#room.mostOfUser - (this.#takenBy.get(user) ?? 0)));
  }

  take(user: string, count: number): void {
    this.#taken += count;
    this.#takenBy.set(user, (this.#takenBy.get(user) ?? 0) + count);
  }
}

const portsOf = (pools: readonly Needing[]) => pools.reduce((sum, { ports = 0 }) => sum + ports, 0);

const part = (left: number, need: number) => (need === 0 ? Number.POSITIVE_INFINITY : left / need);
