import type { Entry } from "./entry.ts";

/**
 * In which order users get the next free places of a lane, and within a user its groups: `[user, group, group…]`,
 * next first. It names those who wait and nobody else, so it is as bounded as the queue; who comes (again) begins
 * at the end, so nobody gains by having one command at a time.
 */
export type Rotation = readonly (readonly [user: string, ...groups: string[]])[];

/** The rotation with everybody who waits and nobody else: new ones at the end. */
export function withWaiting(rotation: Rotation, queue: readonly Entry[]): Rotation {
  const waiting = new Map<string, Set<string>>();
  for (const { user, group = "" } of queue) {
    const groups = waiting.get(user);
    if (groups) groups.add(group);
    else waiting.set(user, new Set([group]));
  }
  const users = new Map<string, string[]>();
  for (const [user, ...groups] of rotation) {
    if (waiting.has(user)) users.set(user, groups);
  }
  for (const user of waiting.keys()) if (!users.has(user)) users.set(user, []);
  return [...users].map(([user, groups]) => {
    const left = waiting.get(user)!;
    const known = groups.filter((group) => left.delete(group));
    return [user, ...known, ...left] as const;
  });
}

/** The rotation after `entry` got a place: its user, and the group of its user's, have had their turn. */
export function afterTurn(rotation: Rotation, { user, group = "" }: Entry): Rotation {
  const turn = rotation.find(([other]) => other === user);
  if (!turn) return rotation;
  const [, ...groups] = turn;
  const rest = groups.filter((other) => other !== group);
  return [...rotation.filter((other) => other !== turn), [user, ...rest, group]];
}
