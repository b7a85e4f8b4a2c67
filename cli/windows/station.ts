import { InvalidArgumentError } from "commander";

/** A ground station: degrees north and east, metres above the ellipsoid. */
export type Station = { name: string; latitude: number; longitude: number; altitude: number };

/** Parses `NAME,LAT,LON,ALT`; the name may hold commas. */
export function station(text: string): Station {
  const parts = text.split(",").map((part) => part.trim());
  const name = parts.slice(0, -3).join(", ");
  const [latitude, longitude, altitude] = parts
    .slice(-3)
    .map((part) => (part === "" ? Number.NaN : Number(part)));
  const rule = (field: string, what: string) =>
    new InvalidArgumentError(`${field}: ${what} (NAME,LAT,LON,ALT).`);
  if (name === "" || latitude === undefined || longitude === undefined || altitude === undefined)
    throw rule("station", "must have a name, a latitude, a longitude and an altitude");
  if (!(Math.abs(latitude) <= 90)) throw rule("LAT", "must be degrees north from -90 to 90");
  if (!(longitude >= -180 && longitude <= 360)) throw rule("LON", "must be degrees east from -180 to 360");
  if (!(altitude >= -500 && altitude <= 9000)) throw rule("ALT", "must be metres from -500 to 9000");
  return { name, latitude, longitude, altitude };
}
