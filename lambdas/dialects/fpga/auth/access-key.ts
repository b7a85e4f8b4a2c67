import { randomInt } from "node:crypto";

const CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LETTERS = `${CAPITALS}abcdefghijklmnopqrstuvwxyz`;

/** The public half of a key: `PG` and 18 capital letters and digits. */
export const ACCESS_KEY = /^PG[A-Z0-9]{18}$/;

/** What a key is remembered under. */
export const sessionOf = (accessKey: string): string => `fpga ${accessKey}`;

const random = (alphabet: string, length: number) =>
  Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");

export const newAccessKey = (): string => `PG${random(CAPITALS, 18)}`;

/** 40 letters and digits, so that it fits into files of the form `KEY = value`. */
export const newSecret = (): string => random(LETTERS, 40);
