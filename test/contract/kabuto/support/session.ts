import { inject } from "vitest";
import { KabutoClient } from "./client.ts";

export const target = inject("kabuto");

/** Logged in as the suite's user, whose objects all files share. */
export const me = new KabutoClient(target.url, target.user.cookie);
/** The second user, logged in. */
export const other = new KabutoClient(target.url, target.other.cookie);
/** Without a cookie. */
export const nobody = () => new KabutoClient(target.url);
/** The one image of the first user, a busybox whose CMD says `hello world`. */
export const image = target.user.image;
